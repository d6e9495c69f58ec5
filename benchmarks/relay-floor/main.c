//  main.c — the floor of a relay: the least that it costs to take UDP datagrams here and send them on there.
//
//      relay-floor -l ADDRESS:PORT -d ADDRESS:PORT [-b ADDRESS:PORT]
//
//  Why.  What a relay forwards each second says little by itself; it is a ratio to this program, in the same minutes on
//  the same machine. It does what no relay in user space can leave out, and nothing else.
//
//  How.  Two sockets: the front (-l), whose other end is whoever sent last, and the back (-b), whose other end is the
//  destination (-d). One thread sleeps in ppoll, then empties each socket: recvmmsg takes up to 8 messages, of which
//  UDP_GRO makes each as large as the kernel merged it (64 datagrams at most), and sendmmsg sends them on as they are,
//  with UDP_SEGMENT. Nothing is copied in user space, looked at or counted but for the figures.
//
//      front ──recvmmsg──▶ 8 × 64 KiB ──sendmmsg──▶ back            and the same the other way
//
//  Not here, on purpose.  No bindings, no clients, no limits, no leases; whoever sends to the front has it.
//
//  Figures.  SIGUSR1 prints them as one line of JSON, and the end (SIGTERM, SIGINT) does too. Bytes are UDP payload;
//  processor time is the whole process's.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { messages = 8, room = 65536, socket_buffer = 8 << 20, turns = 4 };

struct traffic {
  uint64_t reads, datagrams, bytes, calls, unsent;
};

struct side {
  int descriptor;
  struct sockaddr_in other;  // where this side sends to
  struct traffic in;
};

static struct side front = {.descriptor = -1}, back = {.descriptor = -1};
static uint64_t sleeps;
static struct timespec start;
static volatile sig_atomic_t is_asked, is_over;

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "relay-floor: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(2);
}

static struct sockaddr_in parse(const char *text) {
  char address[64];
  const char *colon = strrchr(text, ':');
  struct sockaddr_in name = {.sin_family = AF_INET};
  errno = 0;
  if (!colon || colon - text >= (ptrdiff_t)sizeof address) fail("an address is written as 192.0.2.1:51820");
  memcpy(address, text, colon - text);
  address[colon - text] = 0;
  if (inet_pton(AF_INET, address, &name.sin_addr) != 1) fail("an address is written as 192.0.2.1:51820");
  name.sin_port = htons((uint16_t)atoi(colon + 1));
  return name;
}

static int open_socket(struct sockaddr_in name) {
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int yes = 1, size = socket_buffer;
  if (descriptor < 0) fail("cannot open a socket");
  if (setsockopt(descriptor, SOL_UDP, UDP_GRO, &yes, sizeof yes) < 0) fail("this kernel has no UDP_GRO");
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (bind(descriptor, (struct sockaddr *)&name, sizeof name) < 0) fail("cannot bind a socket");
  return descriptor;
}

static uint8_t buffers[messages][room];
static struct mmsghdr list[messages];
static struct iovec whole[messages];
static struct sockaddr_in names[messages];
static union {
  struct cmsghdr header;
  uint8_t bytes[CMSG_SPACE(sizeof(int))];
} controls[messages];

/// The length of the pieces of what was received; 0 when it is one datagram.
static uint16_t piece_length(struct msghdr *message) {
  for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
    if (item->cmsg_level != SOL_UDP || item->cmsg_type != UDP_GRO) continue;
    int size;
    memcpy(&size, CMSG_DATA(item), sizeof size);
    return (uint16_t)size;
  }
  return 0;
}

/// Makes what was received something to send: the same bytes, the other address, and how long the pieces are.
static void turn_around(int index, struct side *from, const struct side *to) {
  struct msghdr *message = &list[index].msg_hdr;
  size_t length = list[index].msg_len;
  uint16_t piece = piece_length(message);
  from->in.reads++;
  from->in.bytes += length;
  from->in.datagrams += piece && length > piece ? (length + piece - 1) / piece : 1;
  whole[index].iov_len = length;
  names[index] = to->other;
  message->msg_control = NULL;
  message->msg_controllen = 0;
  if (!piece || length <= piece) return;
  message->msg_control = controls[index].bytes;
  message->msg_controllen = CMSG_SPACE(sizeof piece);
  struct cmsghdr *item = &controls[index].header;
  item->cmsg_level = SOL_UDP;
  item->cmsg_type = UDP_SEGMENT;
  item->cmsg_len = CMSG_LEN(sizeof piece);
  memcpy(CMSG_DATA(item), &piece, sizeof piece);
}

/// Whether something was there.
static bool move(struct side *from, struct side *to) {
  for (int index = 0; index < messages; index++) {
    whole[index] = (struct iovec){buffers[index], room};
    list[index].msg_hdr = (struct msghdr){
        .msg_name = &names[index], .msg_namelen = sizeof names[index], .msg_iov = &whole[index], .msg_iovlen = 1,
        .msg_control = controls[index].bytes, .msg_controllen = sizeof controls[index].bytes};
  }
  int count = recvmmsg(from->descriptor, list, messages, 0, NULL);
  if (count <= 0) {
    // What could not be delivered before is told by the next call.
    if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED) fail("cannot receive");
    return false;
  }
  if (from == &front) front.other = names[count - 1];
  if (to->other.sin_port == 0) return true;
  for (int index = 0; index < count; index++) turn_around(index, from, to);
  for (int sent = 0; sent < count;) {
    int done = sendmmsg(to->descriptor, list + sent, count - sent, 0);
    from->in.calls++;
    if (done <= 0) {
      from->in.unsent++;
      done = 1;
    }
    sent += done;
  }
  return true;
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static void print_traffic(const char *name, const struct traffic *traffic) {
  printf("\"%s\":{\"reads\":%llu,\"datagrams\":%llu,\"bytes\":%llu,\"calls\":%llu,\"unsent\":%llu},", name,
         (unsigned long long)traffic->reads, (unsigned long long)traffic->datagrams,
         (unsigned long long)traffic->bytes, (unsigned long long)traffic->calls, (unsigned long long)traffic->unsent);
}

static void print_figures(void) {
  struct timespec now;
  struct rusage usage;
  clock_gettime(CLOCK_MONOTONIC, &now);
  getrusage(RUSAGE_SELF, &usage);
  printf("{");
  print_traffic("to_destination", &front.in);
  print_traffic("to_client", &back.in);
  double passed = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
  printf("\"sleeps\":%llu,\"seconds\":%.3f,\"user_seconds\":%.3f,\"system_seconds\":%.3f}\n",
         (unsigned long long)sleeps, passed, seconds(usage.ru_utime), seconds(usage.ru_stime));
  fflush(stdout);
}

static void handle(int number) {
  if (number == SIGUSR1) is_asked = 1;
  else is_over = 1;
}

int main(int count, char **words) {
  struct sockaddr_in listen = {0}, local = {.sin_family = AF_INET};
  for (int option; (option = getopt(count, words, "l:d:b:")) != -1;) {
    if (option == 'l') listen = parse(optarg);
    else if (option == 'd') back.other = parse(optarg);
    else if (option == 'b') local = parse(optarg);
    else return 64;
  }
  errno = 0;
  if (listen.sin_port == 0 || back.other.sin_port == 0) {
    fputs("usage: relay-floor -l ADDRESS:PORT -d ADDRESS:PORT [-b ADDRESS:PORT]\n", stderr);
    return 64;
  }
  front.descriptor = open_socket(listen);
  back.descriptor = open_socket(local);
  // The signals come only while it sleeps, so none is missed.
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  struct sigaction action = {.sa_handler = handle};
  for (size_t index = 0; index < 3; index++) {
    int number = (int[]){SIGUSR1, SIGTERM, SIGINT}[index];
    sigaddset(&blocked, number);
    sigaction(number, &action, NULL);
  }
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  clock_gettime(CLOCK_MONOTONIC, &start);
  struct pollfd wait[2] = {{.fd = front.descriptor, .events = POLLIN}, {.fd = back.descriptor, .events = POLLIN}};
  while (!is_over) {
    sleeps++;
    if (ppoll(wait, 2, NULL, &none) < 0 && errno != EINTR) fail("cannot wait");
    if (is_asked) {
      is_asked = 0;
      print_figures();
    }
    // Both in turn, but not for ever: signals wait.
    for (int turn = 0, busy = 1; busy && turn < turns; turn++) busy = move(&front, &back) | move(&back, &front);
  }
  print_figures();
  return 0;
}
