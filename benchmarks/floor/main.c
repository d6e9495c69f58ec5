//  main.c — the floor: the least that a tunnel of our shape can cost.
//
//  Why.  A gateway's speed says little by itself: another machine, another kernel, another neighbour on the host, and
//  it is twice as much. So every figure of ours is a ratio to this program, measured in the same minutes. It does what
//  no tunnel of this shape can leave out, in the cheapest way that we know, and nothing else:
//
//      out   TUN read (a super-packet, up to 64 KiB) ─▶ segment ─▶ k parts ─▶ datagrams, each sealed ─▶ one send a part
//      in    one receive a part ─▶ each datagram opened into its place in the segment ─▶ in order ─▶ one write a packet
//
//  How.  One thread that never blocks while something moves, and sleeps in ppoll when nothing does. Packets that wait
//  are read one behind the other into one buffer, which is the segment. A part is a contiguous range of it, at most
//  62,832 bytes, which is what a GSO batch of 44 full datagrams holds. The ten bytes of offload header, which the
//  TUN device puts before each packet, are read over the end of the packet before, which is saved and put back; on the
//  way in they are written over a packet that has been delivered already. So no packet moves. All packets of a segment
//  share one segment size, and the receiver makes their offload headers again from their own. Every buffer is reused at
//  once and stays in the cache: a copy within it is cheaper than a list of pieces for the kernel to check.
//
//      │ counter 8 │ segment 4 │ its length 4 │ offset 4 │ gso 2 │ flags 1 │ path 1 │ 0 4 │ text … │ tag 16 │
//      └──────────────────── header 28, authenticated ────────────────────────────────┘
//
//  Size.  A host's TCP makes super-packets of 65,212 bytes, somewhat more than one send takes, and each would cost two.
//  Limiting what the TUN takes (-g 62000) helps the gateway's own flows alone: one that is forwarded is made already,
//  and the kernel cuts it into 46 single packets: ten times slower (1.0 of 10 Gbit/s). So a segment holds up to
//  four batches also on one path, and three super-packets that wait leave in four sends.
//
//  Small packets.  With -b those that wait together share a segment like all others, so they leave in one send; and
//  neighbours in a segment that are UDP packets of one flow and one length are written to the TUN as one super-packet.
//  Without -b, each is a segment and a write of its own.
//
//  Not here, on purpose.  No handshake: the key is a constant and protects nothing. No replay window, no repair, no
//  rates, no peers, no flows, no IPv6 underlay. A segment that misses a part is given up when every path has delivered
//  something later, or 64 segments later; what arrives twice is not noticed.
//
//  Figures.  SIGUSR1 prints them as one line of JSON, and the end (SIGTERM, SIGINT) does too. Processor time is the
//  whole process's; bytes are those of inner packets; packets are counted as they would be without super-packets.
//
//  Sealing is AES-128-GCM of Intel's ipsec-mb, so it is there on x86 only. Elsewhere -B is the only way to run.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <intel-ipsec-mb.h>
#define CAN_SEAL 1
#else
#define CAN_SEAL 0
#endif

// What the headers of an older system may not have; the kernel says no if it does not know them either.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum {
  most_paths = 16,
  // A full datagram on a path of 1,500 bytes, our 44 bytes, and so the text of one: a packet of 1,400 bytes of UDP.
  datagram_length = 1472,
  header_length = 28,
  tag_length = 16,
  text_length = datagram_length - header_length - tag_length,
  // 45 would be more than a UDP packet's 65,507 bytes.
  datagrams_in_send = 44,
  part_length = datagrams_in_send * text_length,
  // Below this, another part costs more than the other path's time saves.
  least_part = 8 * text_length,
  offload_length = sizeof(struct virtio_net_hdr),
  most_packet = 65536,
  // What a segment may fill, when there are fewer paths: see "Size" above.
  usual_batches = 4,
  // What is read before the sockets have their turn.
  packets_in_turn = 128,
  bytes_in_turn = 4 * part_length,
  // Segments that may be under way at once; a power of two.
  window = 64,
  // Room before a segment's first byte, for an offload header and good alignment.
  headroom = 64,
  // The kernel makes no more pieces of a UDP super-packet.
  most_pieces = 64,
};

struct header {
  uint64_t counter;
  uint32_t segment, length, offset;
  uint16_t piece;  // gso size
  uint8_t flags, path;
  uint32_t zero;
};
_Static_assert(offsetof(struct header, zero) + 4 == header_length, "the header has no holes");

struct traffic {
  uint64_t bytes, packets, transfers, segments, datagrams, calls;
};

static struct {
  bool is_sealed, bundles;
  unsigned longest_packet;
  int paths, batches;
  int tun, sockets[most_paths];
  uint64_t counters[most_paths];
  struct traffic out, in;
  uint64_t refused, given_up, unsent, unwritten, sleeps;
  struct timespec start;
} gateway;

static _Noreturn void fail(const char *format, ...) {
  int error = errno;
  va_list list;
  va_start(list, format);
  fputs("floor: ", stderr);
  vfprintf(stderr, format, list);
  va_end(list);
  if (error) fprintf(stderr, ": %s", strerror(error));
  fputc('\n', stderr);
  exit(2);
}

// ── Sealing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

#if CAN_SEAL
static IMB_MGR *manager;
static struct gcm_key_data sealing_key, opening_key;

static void prepare_keys(bool is_first) {
  manager = alloc_mb_mgr(0);
  if (!manager) fail("ipsec-mb has no memory for its manager");
  init_mb_mgr_auto(manager, NULL);
  // One for each direction, since both directions count from 0.
  const char *first = "the first sends so", *second = "and so the second";
  IMB_AES128_GCM_PRE(manager, is_first ? first : second, &sealing_key);
  IMB_AES128_GCM_PRE(manager, is_first ? second : first, &opening_key);
}

static inline void set_nonce(uint8_t nonce[12], const uint8_t *header) {
  memcpy(nonce, header + offsetof(struct header, counter), 8);
  memset(nonce + 8, 0, 3);
  nonce[11] = header[offsetof(struct header, path)];
}
#endif

/// Writes the text and the tag behind the header, which is in its place already.
static inline void seal(uint8_t *datagram, const uint8_t *text, size_t length) {
#if CAN_SEAL
  if (gateway.is_sealed) {
    struct gcm_context_data context;
    uint8_t nonce[12];
    set_nonce(nonce, datagram);
    IMB_AES128_GCM_ENC(manager, &sealing_key, &context, datagram + header_length, text, length, nonce, datagram,
                       header_length, datagram + header_length + length, tag_length);
    return;
  }
#endif
  memcpy(datagram + header_length, text, length);
  memset(datagram + header_length + length, 0, tag_length);
}

static inline bool open_sealed(uint8_t *text, const uint8_t *datagram, size_t length) {
#if CAN_SEAL
  if (gateway.is_sealed) {
    struct gcm_context_data context;
    uint8_t nonce[12], tag[tag_length];
    set_nonce(nonce, datagram);
    IMB_AES128_GCM_DEC(manager, &opening_key, &context, text, datagram + header_length, length, nonce, datagram,
                       header_length, tag, tag_length);
    return memcmp(tag, datagram + header_length + length, tag_length) == 0;
  }
#endif
  memcpy(text, datagram + header_length, length);
  return true;
}

// ── Packets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

struct packet {
  size_t length, network, headers;  // all of it; the IP header; IP and transport header
  uint8_t transport;
};

/// False for what is no whole IP packet of at most `most` bytes. Knows no IPv6 extension headers.
static inline bool parse(const uint8_t *bytes, size_t most, struct packet *packet) {
  if (most < 20) return false;
  if (bytes[0] >> 4 == 4) {
    packet->network = (bytes[0] & 15) * 4u;
    packet->length = bytes[2] << 8 | bytes[3];
    packet->transport = bytes[9];
  } else if (bytes[0] >> 4 == 6 && most >= 40) {
    packet->network = 40;
    packet->length = 40 + (bytes[4] << 8 | bytes[5]);
    packet->transport = bytes[6];
  } else {
    return false;
  }
  if (packet->network < 20 || packet->length > most || packet->length < packet->network) return false;
  size_t left = packet->length - packet->network;
  size_t header = 0;
  if (packet->transport == IPPROTO_TCP && left >= 20) header = (bytes[packet->network + 12] >> 4) * 4u;
  if (packet->transport == IPPROTO_UDP && left >= 8) header = 8;
  packet->headers = packet->network + header;
  return packet->headers <= packet->length;
}

static inline uint64_t pieces(size_t payload, size_t piece) {
  return piece == 0 || payload <= piece ? 1 : (payload + piece - 1) / piece;
}

// ── Out ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

static struct {
  uint8_t *buffer, *batch;
  size_t capacity;
  size_t start, end;  // the segment that grows
  uint32_t number;
  uint16_t piece;
  uint8_t flags;
  int next_path;
} out;

/// The other side is not there yet, a queue is full, a line is down: lost, as on any path.
static bool will_pass(int error) {
  return error == EAGAIN || error == EINTR || error == ECONNREFUSED || error == ENOBUFS || error == EHOSTUNREACH ||
         error == ENETUNREACH || error == ENETDOWN;
}

static void send_part(int path, size_t offset, size_t length) {
  struct header header = {
      .segment = out.number, .length = out.end - out.start, .offset = offset, .piece = out.piece, .flags = out.flags,
      .path = path};
  uint8_t *at = out.batch;
  const uint8_t *text = out.buffer + out.start + offset;
  for (size_t left = length; left > 0;) {
    size_t now = left < text_length ? left : text_length;
    header.counter = gateway.counters[path]++;
    memcpy(at, &header, header_length);
    seal(at, text, now);
    at += header_length + now + tag_length;
    text += now;
    header.offset += now;
    left -= now;
    gateway.out.datagrams++;
  }
  struct iovec whole = {out.batch, at - out.batch};
  _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {0};
  struct msghdr message = {.msg_iov = &whole, .msg_iovlen = 1};
  if (length > text_length) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_UDP;
    item->cmsg_type = UDP_SEGMENT;
    item->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t size = datagram_length;
    memcpy(CMSG_DATA(item), &size, sizeof size);
  }
  gateway.out.calls++;
  if (sendmsg(gateway.sockets[path], &message, 0) >= 0) return;
  if (!will_pass(errno)) fail("cannot send on path %d", path + 1);
  gateway.unsent++;
}

/// Sends what was read since the last time. The next segment begins behind it.
static void send_segment(void) {
  size_t length = out.end - out.start;
  if (length == 0) return;
  size_t count = (length + part_length - 1) / part_length;
  size_t paths = gateway.paths, worthwhile = length / least_part;
  if (worthwhile > paths) worthwhile = paths;
  if (count < worthwhile) count = worthwhile;
  size_t each = (length + count - 1) / count;
  each = (each + text_length - 1) / text_length * text_length;
  for (size_t offset = 0; offset < length; offset += each) {
    send_part(out.next_path, offset, length - offset < each ? length - offset : each);
    if (++out.next_path == gateway.paths) out.next_path = 0;
  }
  out.number++;
  gateway.out.segments++;
  out.start = out.end;
}

/// Reads packets until none waits or the turn is over. Whether there was one.
static bool read_packets(void) {
  size_t turn = 0, most = (size_t)gateway.batches * part_length;
  out.start = out.end = headroom;
  for (int count = 0; count < packets_in_turn && turn < bytes_in_turn; count++) {
    if (out.end + most_packet > out.capacity) {
      send_segment();
      out.start = out.end = headroom;
    }
    uint8_t *packet = out.buffer + out.end, saved[offload_length];
    memcpy(saved, packet - offload_length, offload_length);
    ssize_t got = read(gateway.tun, packet - offload_length, most_packet);
    struct virtio_net_hdr offload;
    memcpy(&offload, packet - offload_length, offload_length);
    memcpy(packet - offload_length, saved, offload_length);
    if (got < 0) {
      if (errno == EAGAIN) break;
      if (errno == EINTR) continue;
      fail("cannot read packets from the TUN interface");
    }
    size_t length = got - offload_length;
    uint16_t piece = offload.gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : offload.gso_size;
    uint8_t flags = offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    // The end of a TCP burst is shorter than a piece, and no super-packet: it may go with the rest.
    bool is_alike = flags == out.flags && (piece == out.piece || (piece == 0 && length <= out.piece));
    bool may_join = is_alike && out.end - out.start + length <= most && (gateway.bundles || out.piece != 0);
    if (out.end != out.start && !may_join) send_segment();
    if (out.end == out.start) {
      out.piece = piece;
      out.flags = flags;
    }
    out.end += length;
    turn += length;
    gateway.out.bytes += length;
    gateway.out.transfers++;
    gateway.out.packets += pieces(length - (piece ? offload.hdr_len : 0), piece);
    // Another of this kind would not fit: off with it, while it is in the cache.
    if (out.end - out.start + length > most) {
      send_segment();
      out.start = out.end = headroom;
    }
  }
  send_segment();
  return turn > 0;
}

// ── In ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

static struct assembly {
  uint32_t number, length, arrived;
  uint16_t piece;
  uint8_t flags;
  uint8_t *text;  // NULL: nobody is here
} assemblies[window];

static struct {
  uint8_t *receive_buffer;
  uint8_t *free[window];  // the one used last is used first: it is in the cache
  int free_count;
  size_t capacity;
  uint32_t next, latest[most_paths];
  bool has_begun;
} in;

static void write_packet(uint8_t *packet, size_t length, const struct virtio_net_hdr *offload) {
  memcpy(packet - offload_length, offload, offload_length);
  gateway.in.calls++;
  if (write(gateway.tun, packet - offload_length, length + offload_length) < 0) gateway.unwritten++;
}

static inline uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i + 1 < length; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  return sum;
}

static inline uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

static inline void put16(uint8_t *bytes, uint16_t value) {
  bytes[0] = value >> 8;
  bytes[1] = value;
}

/// Makes one UDP super-packet of the packets here that are of one flow and one length (the last may be shorter), and
/// writes it. The answer is how many bytes it took, 0 when there is nothing to join.
static size_t write_joined(uint8_t *first, const struct packet *packet, size_t left) {
  size_t payload = packet->length - packet->headers, network = packet->network;
  if (packet->transport != IPPROTO_UDP || payload == 0) return 0;
  bool is_v4 = first[0] >> 4 == 4;
  if (is_v4 && (network != 20 || (first[6] & 0x3f) || first[7])) return 0;  // options, fragments
  uint8_t *end = first + packet->length;
  size_t taken = packet->length, count = 1;
  while (count < most_pieces && end - first + payload <= 65000) {
    uint8_t *other = first + taken;
    struct packet next;
    if (!parse(other, left - taken, &next) || next.headers != packet->headers || next.transport != IPPROTO_UDP) break;
    size_t more = next.length - next.headers;
    if (more == 0 || more > payload) break;
    // Type of service, flags, lifetime, addresses, ports; not lengths, identification and sums.
    if (other[0] != first[0] || other[1] != first[1]) break;
    if (is_v4 ? memcmp(other + 6, first + 6, 4) != 0 || memcmp(other + 12, first + 12, 12) != 0
              : memcmp(other + 6, first + 6, 38) != 0)
      break;
    memmove(end, other + next.headers, more);
    end += more;
    taken += next.length;
    count++;
    if (more < payload) break;
  }
  if (count == 1) return 0;
  size_t length = end - first;
  uint8_t *udp = first + network;
  uint32_t sum = IPPROTO_UDP + (length - network);
  if (is_v4) {
    put16(first + 2, length);
    put16(first + 10, 0);
    put16(first + 10, ~fold(add_words(0, first, 20)));
    sum = add_words(sum, first + 12, 8);
  } else {
    put16(first + 4, length - network);
    sum = add_words(sum, first + 8, 32);
  }
  put16(udp + 4, length - network);
  put16(udp + 6, fold(sum));
  struct virtio_net_hdr offload = {
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4, .hdr_len = packet->headers,
      .gso_size = payload, .csum_start = network, .csum_offset = 6};
  write_packet(first, length, &offload);
  gateway.in.packets += count;
  gateway.in.transfers++;
  return taken;
}

static void deliver(struct assembly *assembly) {
  uint8_t *at = assembly->text;
  size_t left = assembly->length;
  struct packet packet;
  while (left > 0 && parse(at, left, &packet)) {
    bool needs_sum = assembly->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    size_t payload = packet.length - packet.headers, taken = packet.length;
    bool is_super = assembly->piece > 0 && payload > assembly->piece;
    size_t joined = gateway.bundles && needs_sum && !is_super ? write_joined(at, &packet, left) : 0;
    if (joined > 0) {
      taken = joined;
    } else {
      struct virtio_net_hdr offload = {0};
      bool is_tcp = packet.transport == IPPROTO_TCP;
      if (needs_sum && packet.headers > packet.network) {
        offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        offload.csum_start = packet.network;
        offload.csum_offset = is_tcp ? 16 : 6;
      }
      if (is_super) {
        offload.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
        if (is_tcp) offload.gso_type = at[0] >> 4 == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
        offload.gso_size = assembly->piece;
        offload.hdr_len = packet.headers;
      }
      write_packet(at, packet.length, &offload);
      gateway.in.packets += pieces(payload, assembly->piece);
      gateway.in.transfers++;
    }
    gateway.in.bytes += taken;
    at += taken;
    left -= taken;
  }
  if (left > 0) gateway.refused++;
  gateway.in.segments++;
}

/// The segment that is next has been delivered, or never will be.
static void step(bool is_given_up) {
  struct assembly *assembly = &assemblies[in.next % window];
  if (assembly->text) in.free[in.free_count++] = assembly->text;
  assembly->text = NULL;
  if (is_given_up) gateway.given_up++;
  in.next++;
}

/// Delivers what is complete and in order.
static void release(void) {
  while (true) {
    struct assembly *assembly = &assemblies[in.next % window];
    if (assembly->text && assembly->arrived == assembly->length) {
      deliver(assembly);
      step(false);
      continue;
    }
    for (int path = 0; path < gateway.paths; path++)
      if ((int32_t)(in.latest[path] - in.next) <= 0) return;
    step(true);
  }
}

static void receive_datagram(int path, const uint8_t *datagram, size_t size) {
  gateway.in.datagrams++;
  struct header header;
  if (size <= header_length + tag_length) goto refused;
  memcpy(&header, datagram, header_length);
  size_t length = size - header_length - tag_length;
  if (header.path != path || header.length > in.capacity || header.offset > header.length ||
      length > header.length - header.offset)
    goto refused;
  if (!in.has_begun) {
    in.has_begun = true;
    in.next = header.segment;
    for (int each = 0; each < gateway.paths; each++) in.latest[each] = header.segment;
  }
  int32_t ahead = (int32_t)(header.segment - in.next);
  if (ahead < 0) goto refused;
  for (int i = 0; i < window && ahead >= window; i++, ahead--) step(true);
  if (ahead >= window) {
    // Nothing waits any more, and what lies between will not come.
    gateway.given_up += ahead - window + 1;
    in.next = header.segment - window + 1;
  }
  struct assembly *assembly = &assemblies[header.segment % window];
  if (!assembly->text) {
    *assembly = (struct assembly){
        .number = header.segment, .length = header.length, .piece = header.piece, .flags = header.flags,
        .text = in.free[--in.free_count]};
  }
  if (assembly->length != header.length || !open_sealed(assembly->text + header.offset, datagram, length)) goto refused;
  assembly->arrived += length;
  in.latest[path] = header.segment;
  return;
refused:
  gateway.refused++;
}

/// One batch from a path. Whether there was one.
static bool receive(int path) {
  _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
  struct iovec whole = {in.receive_buffer, most_packet};
  struct msghdr message = {
      .msg_iov = &whole, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(gateway.sockets[path], &message, 0);
  if (got < 0) {
    if (will_pass(errno)) return false;
    fail("cannot receive on path %d", path + 1);
  }
  size_t size = got;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item)) {
    if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_GRO) {
      int value;
      memcpy(&value, CMSG_DATA(item), sizeof value);
      size = value;
    }
  }
  for (size_t at = 0; at < (size_t)got; at += size) {
    receive_datagram(path, in.receive_buffer + at, got - at < size ? got - at : size);
  }
  release();
  return true;
}

// ── Figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static volatile sig_atomic_t is_asked, is_over;

static void note(int number) {
  if (number == SIGUSR1) is_asked = 1;
  else is_over = 1;
}

static double microseconds(struct timeval time) { return time.tv_sec * 1e6 + time.tv_usec; }

static void print_direction(const char *name, const struct traffic *traffic) {
  printf("\"%s\":{\"bytes\":%llu,\"packets\":%llu,\"transfers\":%llu,", name, (unsigned long long)traffic->bytes,
         (unsigned long long)traffic->packets, (unsigned long long)traffic->transfers);
  printf("\"segments\":%llu,\"datagrams\":%llu,\"calls\":%llu},", (unsigned long long)traffic->segments,
         (unsigned long long)traffic->datagrams, (unsigned long long)traffic->calls);
}

static void print_figures(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double seconds = now.tv_sec - gateway.start.tv_sec + (now.tv_nsec - gateway.start.tv_nsec) / 1e9;
  double user = microseconds(usage.ru_utime), system = microseconds(usage.ru_stime);
  double bytes = gateway.out.bytes + gateway.in.bytes, packets = gateway.out.packets + gateway.in.packets;
  printf("{\"program\":\"floor\",\"paths\":%d,\"sealed\":%s,\"bundled\":%s,\"seconds\":%.3f,", gateway.paths,
         gateway.is_sealed ? "true" : "false", gateway.bundles ? "true" : "false", seconds);
  print_direction("out", &gateway.out);
  print_direction("in", &gateway.in);
  printf("\"user_us\":%.0f,\"system_us\":%.0f,\"us_per_64KiB\":%.2f,\"ns_per_packet\":%.0f,", user, system,
         bytes > 0 ? (user + system) / (bytes / 65536) : 0, packets > 0 ? (user + system) * 1e3 / packets : 0);
  printf("\"refused\":%llu,\"given_up\":%llu,\"unsent\":%llu,\"unwritten\":%llu,\"sleeps\":%llu,\"page_faults\":%ld}\n",
         (unsigned long long)gateway.refused, (unsigned long long)gateway.given_up, (unsigned long long)gateway.unsent,
         (unsigned long long)gateway.unwritten, (unsigned long long)gateway.sleeps, usage.ru_minflt);
  fflush(stdout);
}

// ── Start ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static void open_tun(const char *name) {
  if (strlen(name) == 0 || strlen(name) >= IFNAMSIZ) {
    errno = 0;
    fail("\"%s\" is no name of an interface: it has 1 to 15 bytes", name);
  }
  gateway.tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (gateway.tun < 0) fail("cannot open /dev/net/tun (it needs CAP_NET_ADMIN and the tun module)");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  memcpy(request.ifr_name, name, strlen(name));
  if (ioctl(gateway.tun, TUNSETIFF, &request) < 0) fail("cannot make the TUN interface %s", name);
  if (ioctl(gateway.tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6) < 0)
    fail("the kernel gives %s no super-packets (TSO and USO: Linux 6.2 or later)", name);
}

/// The kernel makes super-packets no longer than this for the interface (IFLA_GSO_MAX_SIZE), and switches it on.
static void limit_super_packets(const char *name, unsigned size) {
  int lookup = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq interface = {0};
  memcpy(interface.ifr_name, name, strlen(name));
  if (lookup < 0 || ioctl(lookup, SIOCGIFINDEX, &interface) < 0) fail("cannot find the interface %s", name);
  close(lookup);
  struct {
    struct nlmsghdr message;
    struct ifinfomsg link;
    struct rtattr attribute;
    uint32_t size;
  } request = {
      .message = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
      .link = {.ifi_index = interface.ifr_ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP},
      .attribute = {.rta_len = RTA_LENGTH(4), .rta_type = IFLA_GSO_MAX_SIZE},
      .size = size};
  struct {
    struct nlmsghdr message;
    struct nlmsgerr verdict;
    uint8_t more[512];
  } answer;
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink < 0 || send(netlink, &request, sizeof request, 0) < 0 || recv(netlink, &answer, sizeof answer, 0) < 0)
    fail("cannot ask the kernel to set %s up", name);
  errno = -answer.verdict.error;
  if (errno) fail("cannot limit the super-packets of %s to %u bytes", name, size);
  close(netlink);
}

static struct sockaddr_in address(const char *text) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  char host[64];
  const char *colon = strrchr(text, ':');
  char *end = NULL;
  long port = colon ? strtol(colon + 1, &end, 10) : 0;
  bool is_good = colon && (size_t)(colon - text) < sizeof host && *end == 0 && port > 0 && port < 65536;
  if (is_good) {
    memcpy(host, text, colon - text);
    host[colon - text] = 0;
    is_good = inet_pton(AF_INET, host, &address.sin_addr) == 1;
  }
  errno = 0;
  if (!is_good) fail("\"%s\" is no address: it looks like 192.0.2.1:7000", text);
  address.sin_port = htons(port);
  return address;
}

/// Where the kernel has no such size for us, it gives what it may.
static void enlarge(int fd, int forced, int asked, int size) {
  if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) < 0) setsockopt(fd, SOL_SOCKET, asked, &size, sizeof size);
}

static int open_path(const struct sockaddr_in *local, const struct sockaddr_in *remote) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("cannot make a socket");
  if (bind(fd, (const struct sockaddr *)local, sizeof *local) < 0)
    fail("cannot use %s:%d", inet_ntoa(local->sin_addr), ntohs(local->sin_port));
  if (connect(fd, (const struct sockaddr *)remote, sizeof *remote) < 0)
    fail("there is no route to %s", inet_ntoa(remote->sin_addr));
  int yes = 1, whole = IP_PMTUDISC_DO;
  if (setsockopt(fd, SOL_UDP, UDP_GRO, &yes, sizeof yes) < 0) fail("the kernel has no UDP_GRO (Linux 5.0 or later)");
  if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole) < 0) fail("cannot forbid fragments");
  enlarge(fd, SO_RCVBUFFORCE, SO_RCVBUF, 64 << 20);
  enlarge(fd, SO_SNDBUFFORCE, SO_SNDBUF, 4 << 20);
  return fd;
}

/// Memory in huge pages where there are any, so that 64 KiB need one entry of the processor's tables and not sixteen.
static uint8_t *reserve(size_t size) {
  size_t huge = 2 << 20;
  size = (size + huge - 1) / huge * huge;
  uint8_t *memory = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail("there is no memory for %zu bytes of buffers", size);
  memory += -(uintptr_t)memory & (huge - 1);
  madvise(memory, size, MADV_HUGEPAGE);
  return memory;
}

static void make_buffers(void) {
  size_t segment = (size_t)(gateway.batches > 2 ? gateway.batches : 2) * part_length;
  out.capacity = headroom + segment + most_packet;
  in.capacity = segment;
  size_t assembly = (headroom + segment + 63) / 64 * 64;
  uint8_t *memory = reserve(2 * most_packet + out.capacity + window * assembly);
  out.batch = memory;
  in.receive_buffer = memory + most_packet;
  out.buffer = memory + 2 * most_packet;
  // The last in the list is the first that is used, and lies beside the other buffers.
  uint8_t *first = out.buffer + (out.capacity + 63) / 64 * 64;
  for (int i = 0; i < window; i++) in.free[i] = first + (window - 1 - i) * assembly + headroom;
  in.free_count = window;
}

static _Noreturn void usage(int code) {
  fprintf(code ? stderr : stdout,
          "usage: floor [-b] [-B] [-g BYTES] [-j BATCHES] TUN LOCAL:PORT REMOTE:PORT [LOCAL:PORT REMOTE:PORT ...]\n"
          "  a tunnel from the interface TUN over one UDP path for each pair of addresses\n"
          "  -b  bundle: small packets that wait together leave, and are written to TUN, together\n"
          "  -B  bare: nothing is sealed\n"
          "  -g  the longest super-packet that TUN is given (default 65536)\n"
          "  -j  how many full sends a segment may fill (default: one for each path, but at least 4)\n"
          "  SIGUSR1 prints figures as a line of JSON; so does the end\n");
  exit(code);
}

static long number(const char *text, long least, long most, char option) {
  char *end;
  long value = strtol(text, &end, 10);
  errno = 0;
  if (*text == 0 || *end != 0 || value < least || value > most)
    fail("-%c takes a number from %ld to %ld, not \"%s\"", option, least, most, text);
  return value;
}

int main(int count, char **words) {
  gateway.is_sealed = true;
  gateway.longest_packet = 65536;
  for (int option; (option = getopt(count, words, "bBg:j:h")) != -1;) {
    switch (option) {
      case 'b': gateway.bundles = true; break;
      case 'B': gateway.is_sealed = false; break;
      case 'g': gateway.longest_packet = number(optarg, 2000, 65536, 'g'); break;
      case 'j': gateway.batches = number(optarg, 1, 64, 'j'); break;
      case 'h': usage(0);
      default: usage(64);
    }
  }
  count -= optind;
  words += optind;
  if (count < 3 || count % 2 == 0 || count > 1 + 2 * most_paths) usage(64);
  if (gateway.is_sealed && !CAN_SEAL) fail("sealing needs an x86 processor; run it bare, with -B");
  gateway.paths = count / 2;
  if (gateway.batches == 0) gateway.batches = gateway.paths > usual_batches ? gateway.paths : usual_batches;

  struct sockaddr_in local, remote;
  for (int path = 0; path < gateway.paths; path++) {
    local = address(words[1 + 2 * path]);
    remote = address(words[2 + 2 * path]);
    gateway.sockets[path] = open_path(&local, &remote);
  }
#if CAN_SEAL
  // Both sides agree on who is the first by looking at the last path.
  int order = memcmp(&local.sin_addr, &remote.sin_addr, sizeof local.sin_addr);
  prepare_keys(order ? order < 0 : ntohs(local.sin_port) < ntohs(remote.sin_port));
#endif
  make_buffers();
  open_tun(words[0]);
  limit_super_packets(words[0], gateway.longest_packet);

  // Signals come only where we wait for them, so that none is missed between a look and a sleep.
  sigset_t held, open;
  sigemptyset(&held);
  sigaddset(&held, SIGUSR1);
  sigaddset(&held, SIGTERM);
  sigaddset(&held, SIGINT);
  sigprocmask(SIG_BLOCK, &held, &open);
  struct sigaction action = {.sa_handler = note};
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);

  struct pollfd watched[1 + most_paths] = {{.fd = gateway.tun, .events = POLLIN}};
  for (int path = 0; path < gateway.paths; path++)
    watched[1 + path] = (struct pollfd){.fd = gateway.sockets[path], .events = POLLIN};
  clock_gettime(CLOCK_MONOTONIC, &gateway.start);

  for (unsigned turn = 1; !is_over; turn++) {
    bool has_moved = read_packets();
    for (int path = 0; path < gateway.paths; path++) has_moved |= receive(path);
    struct timespec no_time = {0};
    if (!has_moved) gateway.sleeps++;
    if (!has_moved) ppoll(watched, 1 + gateway.paths, NULL, &open);
    else if (turn % 4096 == 0) ppoll(NULL, 0, &no_time, &open);
    if (is_asked) print_figures();
    is_asked = 0;
  }
  print_figures();
  return 0;
}
