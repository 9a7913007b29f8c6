/*
 * Packet sockets: all packets of a network namespace. `socketIn` creates one, of family AF_PACKET and type SOCK_DGRAM. It
 * receives nothing before it is bound, so a filter attached first applies to its first packet.
 */
#include <endian.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "sys.h"

/* A packet's header in a pcap file: seconds, nanoseconds, bytes kept, bytes on the wire; little endian. */
#define RECORD_HEADER 16
/* Header of LINKTYPE_LINUX_SLL2, big endian: what sockaddr_ll says. */
#define LINK_HEADER 20
#define PACKET_MAX 65535

_Static_assert(sizeof(struct sock_filter) == 8, "a program is given as bytes");
_Static_assert(LINK_HEADER == 12 + sizeof(((struct sockaddr_ll *)NULL)->sll_addr), "the address ends the header");

/* attachFilter(fd, program): replaces a socket's filter by a classic BPF program, which the kernel checks */
static napi_value call_attach_filter(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *code;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "program", &code, &length))
    return NULL;
  size_t count = length / sizeof(struct sock_filter);
  if (count == 0 || count > BPF_MAXINSNS || count * sizeof(struct sock_filter) != length) return result(env, -EINVAL);
  struct sock_fprog program = {.len = (unsigned short)count, .filter = (void *)code};
  return result(env, SYS_RETRY(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))));
}

static int64_t set_option(int fd, int level, int name, int value) {
  return SYS_RETRY(setsockopt(fd, level, name, &value, sizeof(value)));
}

/*
 * bindPackets(fd, interface, protocol, buffer): receives from an interface of the socket's namespace, or from all if its
 * name is empty; the kernel doubles the size of the buffer
 */
static napi_value call_bind_packets(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t protocol, buffer;
  struct ifreq interface;
  struct sockaddr_ll address;
  memset(&interface, 0, sizeof(interface));
  memset(&address, 0, sizeof(address));
  if (!args_begin(&args, env, info, 4) || !arg_fd(&args, "fd", &fd) ||
      !arg_string(&args, "interface", interface.ifr_name, sizeof(interface.ifr_name)) ||
      !arg_int(&args, "protocol", 0, 0xffff, &protocol) || !arg_int(&args, "buffer", 0, INT_MAX / 2, &buffer))
    return NULL;
  int64_t status = interface.ifr_name[0] == '\0' ? 0 : SYS_RETRY(ioctl(fd, SIOCGIFINDEX, &interface));
  if (status == 0) status = set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  if (status == 0) status = set_option(fd, SOL_PACKET, PACKET_AUXDATA, 1);
  if (status == 0) status = set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, (int)buffer);
  if (status < 0) return result(env, status);
  address.sll_family = AF_PACKET;
  address.sll_protocol = htobe16((uint16_t)protocol);
  address.sll_ifindex = interface.ifr_name[0] == '\0' ? 0 : interface.ifr_ifindex;
  return result(env, SYS_RETRY(bind(fd, (struct sockaddr *)&address, sizeof(address))));
}

/* What the kernel says of a packet beside its bytes. */
struct packet {
  struct sockaddr_ll from;
  struct timespec time;
  uint32_t length; /* on the wire */
  uint32_t kept;
};

/* Receives a packet's first bytes, `room` at most. Returns 0 or -errno. */
static int64_t receive_packet(int fd, uint8_t *into, size_t room, struct packet *packet) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct tpacket_auxdata))];
  } control;
  struct iovec part = {.iov_base = into, .iov_len = room};
  memset(packet, 0, sizeof(*packet));
  struct msghdr message = {.msg_name = &packet->from,
                           .msg_namelen = sizeof(packet->from),
                           .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
  int64_t got = SYS_RETRY(recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC));
  if (got < 0) return got;
  packet->kept = got < (int64_t)room ? (uint32_t)got : (uint32_t)room;
  packet->length = (uint32_t)got;
  for (struct cmsghdr *part_of = CMSG_FIRSTHDR(&message); part_of != NULL; part_of = CMSG_NXTHDR(&message, part_of)) {
    struct tpacket_auxdata data;
    if (part_of->cmsg_level == SOL_SOCKET && part_of->cmsg_type == SCM_TIMESTAMPNS) {
      memcpy(&packet->time, CMSG_DATA(part_of), sizeof(packet->time));
    } else if (part_of->cmsg_level == SOL_PACKET && part_of->cmsg_type == PACKET_AUXDATA) {
      memcpy(&data, CMSG_DATA(part_of), sizeof(data));
      packet->length = data.tp_len;
    }
  }
  return 0;
}

static void write_headers(uint8_t *into, const struct packet *packet) {
  uint32_t record[4] = {htole32((uint32_t)packet->time.tv_sec), htole32((uint32_t)packet->time.tv_nsec),
                        htole32(packet->kept + LINK_HEADER), htole32(packet->length + LINK_HEADER)};
  uint32_t index = htobe32((uint32_t)packet->from.sll_ifindex);
  uint16_t type = htobe16(packet->from.sll_hatype);
  _Static_assert(sizeof(record) == RECORD_HEADER, "a record's header");
  memcpy(into, record, sizeof(record));
  into += sizeof(record);
  memset(into, 0, LINK_HEADER);
  memcpy(into, &packet->from.sll_protocol, 2); /* big endian already */
  memcpy(into + 4, &index, 4);
  memcpy(into + 8, &type, 2);
  into[10] = packet->from.sll_pkttype;
  into[11] = packet->from.sll_halen;
  memcpy(into + 12, packet->from.sll_addr, sizeof(packet->from.sll_addr));
}

/*
 * Asks for the next packet's length, 0 if there is none. Returns 1 if its first `snap` bytes have room, otherwise 0, or
 * -errno. MSG_PEEK would overwrite the packet's length on the wire in the kernel's copy.
 */
static int64_t has_room(int fd, size_t snap, size_t room) {
  int length = 0;
  int64_t status = SYS_RETRY(ioctl(fd, SIOCINQ, &length));
  if (status < 0) return status;
  return room >= ((size_t)length < snap ? (size_t)length : snap);
}

/*
 * readPackets(fd, into, snap, read): fills `into` with pcap records of packets cut after `snap` bytes, while the next one
 * fits. Sets the first elements of `read` to the bytes and packets written, also if it fails then: -EAGAIN if there are no
 * more.
 */
static napi_value call_read_packets(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *into;
  size_t length, done = 0;
  int64_t snap, status = 0;
  int32_t *counts;
  struct packet packet;
  if (!args_begin(&args, env, info, 4) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "into", &into, &length) ||
      !arg_int(&args, "snap", 1, PACKET_MAX, &snap) || !arg_ints(&args, "read", 2, &counts))
    return NULL;
  const size_t most = RECORD_HEADER + LINK_HEADER + (size_t)snap;
  counts[0] = counts[1] = 0;
  if (length < most) return result(env, -EINVAL);
  if (length > INT_MAX) length = INT_MAX;
  while (length - done >= RECORD_HEADER + LINK_HEADER + 1) {
    size_t room = length - done - RECORD_HEADER - LINK_HEADER;
    status = room >= (size_t)snap ? 1 : has_room(fd, (size_t)snap, room);
    if (status <= 0) break;
    if (room > (size_t)snap) room = (size_t)snap;
    status = receive_packet(fd, into + done + RECORD_HEADER + LINK_HEADER, room, &packet);
    if (status < 0) break;
    write_headers(into + done, &packet);
    done += RECORD_HEADER + LINK_HEADER + packet.kept;
    counts[0] = (int32_t)done;
    counts[1]++;
  }
  return result(env, status);
}

/* packetCounts(fd, counts): sets received, dropped ones among them, and dropped since the last call */
static napi_value call_packet_counts(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int32_t *counts;
  struct tpacket_stats stats = {0, 0};
  socklen_t size = sizeof(stats);
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_ints(&args, "counts", 2, &counts))
    return NULL;
  int64_t status = SYS_RETRY(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size));
  counts[0] = (int32_t)stats.tp_packets;
  counts[1] = (int32_t)stats.tp_drops;
  return result(env, status);
}

/*
 * interfaceName(fd, index, into): writes the name of an interface of the socket's namespace; returns its length. `into` has
 * IFNAMSIZ bytes or more.
 */
static napi_value call_interface_name(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t index;
  uint8_t *into;
  size_t length;
  struct ifreq interface;
  memset(&interface, 0, sizeof(interface));
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !arg_int(&args, "index", 0, INT_MAX, &index) ||
      !arg_bytes(&args, "into", &into, &length))
    return NULL;
  if (length < sizeof(interface.ifr_name)) return result(env, -EINVAL);
  interface.ifr_ifindex = (int)index;
  int64_t status = SYS_RETRY(ioctl(fd, SIOCGIFNAME, &interface));
  if (status < 0) return result(env, status);
  size_t named = strnlen(interface.ifr_name, sizeof(interface.ifr_name));
  memcpy(into, interface.ifr_name, named);
  return result(env, (int64_t)named);
}

napi_status packets_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"attachFilter", call_attach_filter},
      {"bindPackets", call_bind_packets},
      {"readPackets", call_read_packets},
      {"packetCounts", call_packet_counts},
      {"interfaceName", call_interface_name},
  };
  return REGISTER(env, exports, table);
}
