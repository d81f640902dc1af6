/* SPDX-License-Identifier: Apache-2.0 */
/* Values that bindgen cannot take from a macro, and where the fields of an mbuf are in the DPDK this is built against. */
#ifndef WIREBEAT_DPDK_CONSTANTS_H
#define WIREBEAT_DPDK_CONSTANTS_H

#define SHIM_MBUF_FIELD(constant, field) \
	static const uint64_t SHIM_MBUF_##constant##_OFFSET = offsetof(struct rte_mbuf, field); \
	static const uint64_t SHIM_MBUF_##constant##_BYTES = sizeof(((struct rte_mbuf *)0)->field)

SHIM_MBUF_FIELD(BUF_ADDR, buf_addr);
SHIM_MBUF_FIELD(DATA_OFF, data_off);
SHIM_MBUF_FIELD(NB_SEGS, nb_segs);
SHIM_MBUF_FIELD(PORT, port);
SHIM_MBUF_FIELD(OL_FLAGS, ol_flags);
SHIM_MBUF_FIELD(PKT_LEN, pkt_len);
SHIM_MBUF_FIELD(DATA_LEN, data_len);
SHIM_MBUF_FIELD(VLAN_TCI, vlan_tci);
SHIM_MBUF_FIELD(HASH_RSS, hash.rss);
SHIM_MBUF_FIELD(NEXT, next);
static const uint64_t SHIM_MBUF_BYTES = sizeof(struct rte_mbuf);
static const uint64_t SHIM_MBUF_HEADROOM_BYTES = RTE_PKTMBUF_HEADROOM;

static const uint64_t SHIM_RX_VLAN = RTE_MBUF_F_RX_VLAN;
static const uint64_t SHIM_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint64_t SHIM_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;

static const uint64_t SHIM_MBUF_INDIRECT = RTE_MBUF_F_INDIRECT;
static const uint64_t SHIM_MBUF_EXTERNAL = RTE_MBUF_F_EXTERNAL;

static const uint64_t SHIM_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t SHIM_OFFLOAD_TIMESTAMP = RTE_ETH_RX_OFFLOAD_TIMESTAMP;
static const uint64_t SHIM_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t SHIM_VLAN_STRIP_IN_FORCE = RTE_ETH_VLAN_STRIP_OFFLOAD;

static const uint64_t SHIM_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t SHIM_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t SHIM_RSS_UDP = RTE_ETH_RSS_UDP;
static const uint64_t SHIM_RSS_SCTP = RTE_ETH_RSS_SCTP;

static const uint64_t SHIM_MAX_PORTS = RTE_MAX_ETHPORTS;
static const uint64_t SHIM_MAX_LCORES = RTE_MAX_LCORE;
static const uint64_t SHIM_LCORE_NONE = LCORE_ID_ANY;
static const uint64_t SHIM_MEMPOOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const uint64_t SHIM_RING_SINGLE_PRODUCER = RING_F_SP_ENQ;
static const uint64_t SHIM_RING_SINGLE_CONSUMER = RING_F_SC_DEQ;
static const uint64_t SHIM_RING_EXACT_SIZE = RING_F_EXACT_SZ;
static const uint64_t SHIM_MTU_OVERHEAD_BYTES = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

#endif
