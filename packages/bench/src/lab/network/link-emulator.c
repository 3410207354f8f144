// Joins two TUN devices in two network namespaces by a line that delays: what enters one leaves the other later, in the same order.
// Rate and loss are not its business. Linux only.
//
//   link-emulator NAMESPACE DEVICE NAMESPACE DEVICE DELAY_US JITTER_US
//
// DELAY_US is of one direction. With jitter it wanders evenly within DELAY_US +- JITTER_US: a new value is drawn every KNOT_NS and the
// delay moves to it in a straight line. Drawing one for each packet and keeping the order would push most packets to the upper end.
// Says "ready" when both devices exist. On SIGTERM it prints one line of JSON with what it did, and ends; also when standard input closes.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 16384u       // packets under way in one direction, at most: 400 Mbit/s for half a second
#define SLOT_BYTES 2048u   // an MTU of 1500 and room
#define KNOT_NS 20000000ll // between two drawn delays
// While packets come, the devices are read once in this time instead of once per packet: a system call for each would cost more than the rest.
#define TURN_NS 250000ll
#define LATE_BUCKETS 1024u // of LATE_STEP_NS each
#define LATE_STEP_NS 20000ll

typedef struct {
  int64_t due_ns;
  uint32_t length;
} Packet;

typedef struct {
  int from;
  int to;
  uint8_t *bytes;
  Packet *packets;
  uint32_t head; // next to leave; both count without end
  uint32_t tail; // next to be filled
  int64_t last_due_ns;
  int64_t knot_ns; // when the delay reaches `to_ns`
  int64_t from_delay_ns;
  int64_t to_delay_ns;
  uint64_t count;
  uint64_t sum_bytes;
  uint64_t dropped; // the queue was full
  uint64_t refused; // the other device did not take it
  uint32_t most_waiting;
  int64_t late_max_ns;
  uint64_t late[LATE_BUCKETS];
} Direction;

static int64_t delay_ns, jitter_ns;
static uint64_t random_state = 88172645463325252ull;
static volatile sig_atomic_t is_over;

static void fail(const char *what) {
  fprintf(stderr, "link-emulator: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void on_signal(int number) {
  (void)number;
  is_over = 1;
}

// xorshift64*: the same line behaves in the same way in each run.
static int64_t drawn_delay_ns(void) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  double share = (double)((random_state * 2685821657736338717ull) >> 11) / 9007199254740992.0;
  return delay_ns + (int64_t)((share * 2 - 1) * (double)jitter_ns);
}

static int open_tun(const char *space, const char *device) {
  char path[256];
  snprintf(path, sizeof path, "/var/run/netns/%s", space);
  int handle = open(path, O_RDONLY | O_CLOEXEC);
  if (handle < 0) fail(path);
  if (setns(handle, CLONE_NEWNET) != 0) fail("setns");
  close(handle);
  // The device belongs to the namespace in which /dev/net/tun was opened.
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun < 0) fail("/dev/net/tun");
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
  if (ioctl(tun, TUNSETIFF, &request) != 0) fail(device);
  return tun;
}

static void prepare(Direction *one, int from, int to) {
  memset(one, 0, sizeof *one);
  one->from = from;
  one->to = to;
  one->bytes = mmap(NULL, (size_t)SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  one->packets = calloc(SLOTS, sizeof *one->packets);
  if (one->bytes == MAP_FAILED || one->packets == NULL) fail("memory");
  one->from_delay_ns = one->to_delay_ns = delay_ns;
}

static int64_t delay_at(Direction *one, int64_t now) {
  if (jitter_ns == 0) return delay_ns;
  if (now >= one->knot_ns) {
    one->from_delay_ns = now - one->knot_ns < KNOT_NS ? one->to_delay_ns : drawn_delay_ns();
    one->to_delay_ns = drawn_delay_ns();
    one->knot_ns = now + KNOT_NS;
  }
  int64_t gone = KNOT_NS - (one->knot_ns - now);
  return one->from_delay_ns + (one->to_delay_ns - one->from_delay_ns) * gone / KNOT_NS;
}

// Takes all that waits at the device; whether there was anything.
static int take(Direction *one, int64_t now) {
  int any = 0;
  for (;;) {
    int is_full = one->tail - one->head >= SLOTS;
    uint8_t spare[SLOT_BYTES];
    uint8_t *into = is_full ? spare : one->bytes + (size_t)(one->tail % SLOTS) * SLOT_BYTES;
    ssize_t length = read(one->from, into, SLOT_BYTES);
    if (length <= 0) return any;
    any = 1;
    if (is_full) {
      one->dropped++;
      continue;
    }
    Packet *packet = &one->packets[one->tail % SLOTS];
    // The packet came within the turn before now, on average half a turn ago.
    int64_t due = now + delay_at(one, now) - TURN_NS / 2;
    if (due < one->last_due_ns) due = one->last_due_ns;
    one->last_due_ns = packet->due_ns = due;
    packet->length = (uint32_t)length;
    one->tail++;
    if (one->tail - one->head > one->most_waiting) one->most_waiting = one->tail - one->head;
  }
}

static void give(Direction *one, int64_t now) {
  while (one->head != one->tail) {
    Packet *packet = &one->packets[one->head % SLOTS];
    if (packet->due_ns > now) return;
    if (write(one->to, one->bytes + (size_t)(one->head % SLOTS) * SLOT_BYTES, packet->length) < 0) one->refused++;
    int64_t late = now - packet->due_ns;
    if (late > one->late_max_ns) one->late_max_ns = late;
    uint64_t bucket = (uint64_t)(late / LATE_STEP_NS);
    one->late[bucket < LATE_BUCKETS ? bucket : LATE_BUCKETS - 1]++;
    one->count++;
    one->sum_bytes += packet->length;
    one->head++;
  }
}

static int64_t next_due(const Direction *one, int64_t otherwise) {
  if (one->head == one->tail) return otherwise;
  int64_t due = one->packets[one->head % SLOTS].due_ns;
  return due < otherwise ? due : otherwise;
}

// Upper end of the bucket below which `percent` of the packets left, in microseconds.
static double late_us(const Direction *one, uint64_t percent) {
  uint64_t seen = 0;
  uint32_t bucket = 0;
  while (bucket < LATE_BUCKETS - 1 && (seen += one->late[bucket]) * 100 < one->count * percent) bucket++;
  return (double)((bucket + 1) * LATE_STEP_NS) / 1000;
}

static void say(const Direction *one, const char *name, const char *end) {
  printf("\"%s\":{\"packets\":%llu,\"bytes\":%llu,\"dropped\":%llu,\"refused\":%llu,\"mostWaiting\":%u,\"lateP50Us\":%.1f,\"lateP99Us\":%.1f,"
         "\"lateMaxUs\":%.1f}%s",
         name, (unsigned long long)one->count, (unsigned long long)one->sum_bytes, (unsigned long long)one->dropped,
         (unsigned long long)one->refused, one->most_waiting, late_us(one, 50), late_us(one, 99),
         (double)one->late_max_ns / 1000, end);
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: link-emulator NAMESPACE DEVICE NAMESPACE DEVICE DELAY_US JITTER_US\n");
    return 2;
  }
  delay_ns = atoll(argv[5]) * 1000;
  jitter_ns = atoll(argv[6]) * 1000;
  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int a = open_tun(argv[1], argv[2]);
  int b = open_tun(argv[3], argv[4]);
  // Back, so that it does not count as one of the host's programs.
  if (home < 0 || setns(home, CLONE_NEWNET) != 0) fail("setns");
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  prctl(PR_SET_TIMERSLACK, 1);
  // The line must not wait for the programs that use it. It sleeps between its packets, so it takes nobody's processor.
  struct sched_param priority = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  static Direction both[2];
  prepare(&both[0], a, b);
  prepare(&both[1], b, a);
  printf("ready\n");
  fflush(stdout);

  struct pollfd watched[3] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}, {.fd = STDIN_FILENO, .events = 0}};
  while (!is_over) {
    int64_t now = now_ns();
    int any = take(&both[0], now) | take(&both[1], now);
    now = now_ns();
    give(&both[0], now);
    give(&both[1], now);
    now = now_ns();
    int64_t until = next_due(&both[1], next_due(&both[0], now + 1000000000));
    if (any && until > now + TURN_NS) until = now + TURN_NS;
    int64_t wait = until > now ? until - now : 0;
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    // During a turn nobody looks at the devices.
    if (ppoll(any ? &watched[2] : watched, any ? 1 : 3, &timeout, NULL) < 0 && errno != EINTR) fail("ppoll");
    if ((watched[2].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) break;
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{");
  say(&both[0], "forward", ",");
  say(&both[1], "backward", ",");
  printf("\"cpuSeconds\":%.3f}\n", seconds);
  return 0;
}
