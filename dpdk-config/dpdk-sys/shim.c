/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* cpu_set_t */
#include "shim.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <rte_version.h>

int shim_errno(void)
{
	return rte_errno;
}

unsigned int shim_lcore_id(void)
{
	return rte_lcore_id();
}

uint64_t shim_rdtsc(void)
{
	return rte_rdtsc();
}

int shim_lcore_cpus(unsigned int lcore, uint64_t words[SHIM_CPU_WORDS])
{
	rte_cpuset_t cpus;
	unsigned int cpu;

	if (!rte_lcore_is_enabled(lcore))
		return -1;
	cpus = rte_lcore_cpuset(lcore);
	memset(words, 0, SHIM_CPU_WORDS * sizeof(words[0]));
	for (cpu = 0; cpu < CPU_SETSIZE && cpu < SHIM_CPU_WORDS * 64; cpu++) {
		if (CPU_ISSET(cpu, &cpus))
			words[cpu / 64] |= RTE_BIT64(cpu % 64);
	}
	return 0;
}

int shim_log_to_descriptor(int descriptor)
{
	FILE *stream = fdopen(descriptor, "a");

	if (stream == NULL)
		return -1;
	setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	return rte_openlog_stream(stream);
}

static void copy_name(char *to, const char *from)
{
	snprintf(to, SHIM_NAME_BYTES, "%s", from == NULL ? "" : from);
}

static void copy_bus_name(char *to, const struct rte_device *device)
{
	if (device == NULL)
		return;
	if (rte_dev_bus(device) != NULL)
		copy_name(to, rte_bus_name(rte_dev_bus(device)));
}

struct rte_device *shim_port_device(uint16_t port)
{
	struct rte_eth_dev_info device;

	memset(&device, 0, sizeof(device));
	if (rte_eth_dev_info_get(port, &device) != 0)
		return NULL;
	/* DPDK 23.11 and later declare it const and rte_dev_remove does not. */
	return (struct rte_device *)(uintptr_t)device.device;
}

int shim_device_info(uint16_t port, struct shim_device_info *information)
{
	struct rte_eth_dev_info device;
	struct rte_ether_addr mac;
	char name[RTE_ETH_NAME_MAX_LEN] = "";
	int result;

	memset(information, 0, sizeof(*information));
	memset(&device, 0, sizeof(device));
	result = rte_eth_dev_info_get(port, &device);
	if (result != 0)
		return result;
	if (rte_eth_dev_get_name_by_port(port, name) == 0)
		copy_name(information->name, name);
	copy_name(information->driver, device.driver_name);
	copy_bus_name(information->bus, device.device);
	if (rte_eth_macaddr_get(port, &mac) == 0)
		memcpy(information->mac, mac.addr_bytes, sizeof(information->mac));
	information->socket = rte_eth_dev_socket_id(port);
	information->interface_index = device.if_index;
	information->max_rx_queues = device.max_rx_queues;
	information->max_tx_queues = device.max_tx_queues;
	information->min_rx_descriptors = device.rx_desc_lim.nb_min;
	information->max_rx_descriptors = device.rx_desc_lim.nb_max;
	information->min_mtu = device.min_mtu;
	information->max_mtu = device.max_mtu;
	information->min_rx_buffer_bytes = device.min_rx_bufsize;
	information->max_rx_packet_bytes = device.max_rx_pktlen;
	information->rx_offloads = device.rx_offload_capa;
	information->rss_functions = device.flow_type_rss_offloads;
	information->reta_size = device.reta_size;
	information->hash_key_bytes = device.hash_key_size;
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
	if (device.rss_algo_capa & RTE_ETH_HASH_ALGO_TO_CAPA(RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ_SORT))
		information->symmetric_toeplitz_sort = 1;
#endif
	return 0;
}

int shim_link(uint16_t port, struct shim_link *link)
{
	struct rte_eth_link state;
	int result;

	memset(link, 0, sizeof(*link));
	memset(&state, 0, sizeof(state));
	result = rte_eth_link_get_nowait(port, &state);
	if (result != 0)
		return result;
	link->speed_mbps = state.link_speed;
	link->up = state.link_status == RTE_ETH_LINK_UP;
	link->full_duplex = state.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	return 0;
}

int shim_statistics(uint16_t port, struct shim_statistics *statistics)
{
	struct rte_eth_stats raw;
	int result;

	memset(statistics, 0, sizeof(*statistics));
	memset(&raw, 0, sizeof(raw));
	result = rte_eth_stats_get(port, &raw);
	if (result != 0)
		return result;
	statistics->ipackets = raw.ipackets;
	statistics->ibytes = raw.ibytes;
	statistics->imissed = raw.imissed;
	statistics->ierrors = raw.ierrors;
	statistics->rx_nombuf = raw.rx_nombuf;
	statistics->opackets = raw.opackets;
	statistics->obytes = raw.obytes;
	statistics->oerrors = raw.oerrors;
	return 0;
}

int shim_port_configure(uint16_t port, const struct shim_port_configuration *configuration)
{
	struct rte_eth_conf eth;

	memset(&eth, 0, sizeof(eth));
	eth.rxmode.mtu = configuration->mtu;
	eth.rxmode.offloads = configuration->rx_offloads;
	eth.intr_conf.rxq = configuration->rx_interrupts;
	if (configuration->rss_functions != 0) {
		eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		eth.rx_adv_conf.rss_conf.rss_hf = configuration->rss_functions;
		/* DPDK declares the key writable and only reads it. */
		eth.rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)configuration->rss_key;
		eth.rx_adv_conf.rss_conf.rss_key_len = configuration->rss_key_bytes;
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
		if (configuration->symmetric_toeplitz_sort)
			eth.rx_adv_conf.rss_conf.algorithm = RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ_SORT;
#endif
	}
	return rte_eth_dev_configure(port, configuration->rx_queues, configuration->tx_queues, &eth);
}

int shim_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, uint64_t offloads, struct rte_mempool *pool)
{
	struct rte_eth_dev_info device;
	struct rte_eth_rxconf rx;
	int result;

	memset(&device, 0, sizeof(device));
	result = rte_eth_dev_info_get(port, &device);
	if (result != 0)
		return result;
	rx = device.default_rxconf;
	rx.offloads = offloads;
	return rte_eth_rx_queue_setup(port, queue, descriptors, rte_eth_dev_socket_id(port), &rx, pool);
}

int shim_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors)
{
	return rte_eth_tx_queue_setup(port, queue, descriptors, rte_eth_dev_socket_id(port), NULL);
}

int shim_reta_spread(uint16_t port, uint16_t reta_size, uint16_t queues)
{
	struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
	uint16_t entry;

	if (queues == 0 || reta_size == 0 || reta_size > RTE_ETH_RSS_RETA_SIZE_512)
		return -EINVAL;
	memset(table, 0, sizeof(table));
	for (entry = 0; entry < reta_size; entry++) {
		struct rte_eth_rss_reta_entry64 *group = &table[entry / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= RTE_BIT64(entry % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[entry % RTE_ETH_RETA_GROUP_SIZE] = entry % queues;
	}
	return rte_eth_dev_rss_reta_update(port, table, reta_size);
}

uint64_t shim_rss_functions(uint16_t port)
{
	struct rte_eth_rss_conf rss;

	memset(&rss, 0, sizeof(rss));
	return rte_eth_dev_rss_hash_conf_get(port, &rss) == 0 ? rss.rss_hf : 0;
}

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

struct rte_mbuf *shim_mbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

int shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void shim_mbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

void shim_mbuf_free_bulk(struct rte_mbuf **mbufs, unsigned int count)
{
	rte_pktmbuf_free_bulk(mbufs, count);
}

void *shim_mbuf_data(const struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_mtod(mbuf, void *);
}

void *shim_mbuf_append(struct rte_mbuf *mbuf, uint16_t bytes)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(mbuf);

	if (!RTE_MBUF_DIRECT(last) || rte_mbuf_refcnt_read(last) != 1)
		return NULL;
	return rte_pktmbuf_append(mbuf, bytes);
}

int shim_mbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail)
{
	return rte_pktmbuf_chain(head, tail);
}

uint16_t shim_mbuf_refcount(const struct rte_mbuf *mbuf)
{
	return rte_mbuf_refcnt_read(mbuf);
}

void shim_mbuf_attach_external(struct rte_mbuf *mbuf, void *buffer, uint64_t iova, uint16_t bytes,
			       struct rte_mbuf_ext_shared_info *shared)
{
	rte_pktmbuf_attach_extbuf(mbuf, buffer, iova, bytes, shared);
	mbuf->data_len = bytes;
	mbuf->pkt_len = bytes;
}

void shim_mbuf_prefetch(const struct rte_mbuf *mbuf)
{
	rte_mbuf_prefetch_part2((struct rte_mbuf *)(uintptr_t)mbuf);
	rte_prefetch0(rte_pktmbuf_mtod(mbuf, void *));
}

unsigned int shim_ring_enqueue_burst_sp(struct rte_ring *ring, void *const *objects, unsigned int count)
{
	return rte_ring_sp_enqueue_burst(ring, objects, count, NULL);
}

unsigned int shim_ring_dequeue_burst_sc(struct rte_ring *ring, void **objects, unsigned int count)
{
	return rte_ring_sc_dequeue_burst(ring, objects, count, NULL);
}

unsigned int shim_ring_count(const struct rte_ring *ring)
{
	return rte_ring_count(ring);
}

unsigned int shim_ring_capacity(const struct rte_ring *ring)
{
	return rte_ring_get_capacity(ring);
}

int shim_timestamp_lookup(int *offset, uint64_t *flag)
{
	int flag_bit;

	*offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	if (*offset < 0)
		return -1;
	flag_bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	if (flag_bit < 0 || flag_bit > 63)
		return -1;
	*flag = RTE_BIT64(flag_bit);
	return 0;
}
