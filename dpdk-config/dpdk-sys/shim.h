/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Rust side sees of DPDK besides exported functions: the inline functions, wrapped, and the structures whose layout or
 * field names differ between DPDK 22.11 and later releases, flattened into structures of our own. Every `shim_*` function is
 * either called once a burst or off the packet path; fields of an mbuf are read from Rust at the offsets of constants.h.
 */
#ifndef WIREBEAT_DPDK_SHIM_H
#define WIREBEAT_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mbuf_ext_shared_info;
struct rte_mempool;
struct rte_ring;

#define SHIM_NAME_BYTES 64

/* rte_eth_dev_info, with the MAC address, the NUMA socket and the names that other calls give. */
struct shim_device_info {
	char name[SHIM_NAME_BYTES];
	char driver[SHIM_NAME_BYTES];
	char bus[SHIM_NAME_BYTES];
	uint8_t mac[6];
	int32_t socket; /* -1: any */
	uint32_t interface_index; /* kernel interface of a bifurcated driver, 0: none */
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t min_rx_descriptors;
	uint16_t max_rx_descriptors;
	uint16_t min_mtu;
	uint16_t max_mtu;
	uint32_t min_rx_buffer_bytes;
	uint32_t max_rx_packet_bytes;
	uint64_t rx_offloads;
	uint64_t rss_functions;
	uint16_t reta_size;
	uint8_t hash_key_bytes;
	uint8_t symmetric_toeplitz_sort; /* 1: the device sorts the tuple before it hashes (DPDK 23.11 and later say so) */
};

struct shim_link {
	uint32_t speed_mbps;
	uint8_t up;
	uint8_t full_duplex;
};

struct shim_port_configuration {
	uint64_t rx_offloads;
	uint64_t rss_functions; /* 0: no RSS */
	const uint8_t *rss_key; /* null: the driver's */
	uint8_t rss_key_bytes;
	uint8_t symmetric_toeplitz_sort;
	uint8_t rx_interrupts;
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint32_t mtu;
};

struct shim_statistics {
	uint64_t ipackets;
	uint64_t ibytes;
	uint64_t imissed;
	uint64_t ierrors;
	uint64_t rx_nombuf;
	uint64_t opackets;
	uint64_t obytes;
	uint64_t oerrors;
};

int shim_errno(void);
unsigned int shim_lcore_id(void);
uint64_t shim_rdtsc(void);

/* The CPUs an EAL lcore is mapped to, 64 a word. 0, or -1 when there is no such lcore. */
#define SHIM_CPU_WORDS 16
int shim_lcore_cpus(unsigned int lcore, uint64_t words[SHIM_CPU_WORDS]);

/* Sends EAL's log to a file descriptor, which it owns from now on. 0, or -1 with errno. */
int shim_log_to_descriptor(int descriptor);

/* The EAL device behind a port, for rte_dev_remove; null when there is none. */
struct rte_device;
struct rte_device *shim_port_device(uint16_t port);

int shim_device_info(uint16_t port, struct shim_device_info *information);
int shim_link(uint16_t port, struct shim_link *link);
int shim_statistics(uint16_t port, struct shim_statistics *statistics);
int shim_port_configure(uint16_t port, const struct shim_port_configuration *configuration);
int shim_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, uint64_t offloads, struct rte_mempool *pool);
int shim_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors);
/* Spreads the redirection table over the queues in turn. */
int shim_reta_spread(uint16_t port, uint16_t reta_size, uint16_t queues);
/* The RSS functions in force; 0 when the driver does not tell. */
uint64_t shim_rss_functions(uint16_t port);

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);

struct rte_mbuf *shim_mbuf_alloc(struct rte_mempool *pool);
int shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count);
void shim_mbuf_free(struct rte_mbuf *mbuf);
void shim_mbuf_free_bulk(struct rte_mbuf **mbufs, unsigned int count);
void *shim_mbuf_data(const struct rte_mbuf *mbuf);
/* Grows the last segment; null when it has no room or its memory is not its own alone. */
void *shim_mbuf_append(struct rte_mbuf *mbuf, uint16_t bytes);
/* 0, or -EOVERFLOW; the tail belongs to the head afterwards. */
int shim_mbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail);
uint16_t shim_mbuf_refcount(const struct rte_mbuf *mbuf);
/* Makes the mbuf point at foreign memory, with its length set; the shared information's callback runs when the last user is gone. */
void shim_mbuf_attach_external(struct rte_mbuf *mbuf, void *buffer, uint64_t iova, uint16_t bytes,
			       struct rte_mbuf_ext_shared_info *shared);
/* An mbuf's second cache line and the first of its data, ahead of use. */
void shim_mbuf_prefetch(const struct rte_mbuf *mbuf);

unsigned int shim_ring_enqueue_burst_sp(struct rte_ring *ring, void *const *objects, unsigned int count);
unsigned int shim_ring_dequeue_burst_sc(struct rte_ring *ring, void **objects, unsigned int count);
unsigned int shim_ring_count(const struct rte_ring *ring);
unsigned int shim_ring_capacity(const struct rte_ring *ring);

/* The place of the receive timestamp in an mbuf and its flag; 0, or -1 when no driver of this process has registered one. */
int shim_timestamp_lookup(int *offset, uint64_t *flag);

#endif
