/* The only way into a prover's sandbox, which has no network.
 *
 * It runs in a container of its own that shares the prover's network namespace, and carries HTTP exchanges
 * between one exec stream (stdin, stdout) and the prover's port on loopback. It knows nothing of HTTP.
 *
 *     relay idle                 keeps the container alive
 *     relay stdio HOST PORT      HOST is an IPv4 address
 *     relay counters             prints the sandbox's network counters, as the kernel's /proc/net/snmp
 *
 * Frames, both ways: type, connection, length as big-endian 32-bit numbers, then `length` bytes.
 *
 *     in   O  open: close any connection, then connect; payload: for how many ms a refusal is tried again
 *          D  data for the connection
 *          C  close the connection
 *     out  D  data from it
 *          E  the prover closed it, or it broke
 *          R  refused: nothing listens there
 *
 * `connection` is chosen by the host for each O and comes back in every answer, so that the host can tell what
 * is left over from an earlier exchange. One connection at a time. A malformed frame ends the relay.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADER 12
#define CHUNK 65536
#define RETRY_MS 10

static struct sockaddr_in target;
static int prover = -1;      /* the connection, or -1 */
static uint32_t connection;  /* the host's number for it */
static unsigned char in[HEADER + CHUNK], out[HEADER + CHUNK];
static size_t pending, sent; /* bytes of a D frame that the prover has not taken yet */

static void read_all(unsigned char *to, size_t count)
{
    while (count > 0) {
        ssize_t got = read(0, to, count);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            exit(0);
        to += got;
        count -= (size_t)got;
    }
}

/* Sends one frame whose payload stands in `out` after the header. */
static void send_frame(uint32_t type, uint32_t length)
{
    uint32_t header[3] = {htonl(type), htonl(connection), htonl(length)};
    size_t done = 0, count = HEADER + length;
    memcpy(out, header, HEADER);
    while (done < count) {
        ssize_t put = write(1, out + done, count - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            exit(0);
        done += (size_t)put;
    }
}

static void drop(void)
{
    if (prover >= 0)
        close(prover);
    prover = -1;
    pending = sent = 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Connects on loopback, which answers at once; so a refusal means that nothing listens yet, or any more. */
static void open_prover(uint32_t patience)
{
    int64_t end = now_ms() + patience;
    for (;;) {
        prover = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (prover < 0)
            exit(1);
        if (connect(prover, (struct sockaddr *)&target, sizeof target) == 0) {
            fcntl(prover, F_SETFL, O_NONBLOCK);
            return;
        }
        drop();
        if (now_ms() >= end) {
            send_frame('R', 0);
            return;
        }
        poll(NULL, 0, RETRY_MS);
    }
}

static void from_host(void)
{
    uint32_t header[3], type, number, length;
    read_all(in, HEADER);
    memcpy(header, in, HEADER);
    type = ntohl(header[0]);
    number = ntohl(header[1]);
    length = ntohl(header[2]);
    if (length > CHUNK)
        exit(2);
    read_all(in, length);
    if (type == 'O' && length == 4) {
        uint32_t patience;
        drop();
        connection = number;
        memcpy(&patience, in, 4);
        open_prover(ntohl(patience));
    } else if (type == 'C' && length == 0) {
        drop();
    } else if (type == 'D') {
        pending = prover < 0 ? 0 : length;
        sent = 0;
    } else {
        exit(2);
    }
}

static void to_prover(void)
{
    ssize_t put = send(prover, in + sent, pending - sent, MSG_NOSIGNAL);
    if (put > 0)
        sent += (size_t)put;
    else if (put < 0 && errno != EAGAIN && errno != EINTR)
        sent = pending; /* it takes no more; what it answered can still be read */
    if (sent == pending)
        sent = pending = 0;
}

static void from_prover(void)
{
    ssize_t got = recv(prover, out + HEADER, CHUNK, 0);
    if (got > 0) {
        send_frame('D', (uint32_t)got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        drop();
        send_frame('E', 0);
    }
}

static void stop(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static int counters(void)
{
    ssize_t got;
    int file = open("/proc/net/snmp", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 1;
    while ((got = read(file, out, sizeof out)) > 0)
        if (write(1, out, (size_t)got) != got)
            return 1;
    return got < 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, stop);
    if (argc == 2 && strcmp(argv[1], "idle") == 0)
        for (;;)
            pause();
    if (argc == 2 && strcmp(argv[1], "counters") == 0)
        return counters();
    if (argc != 4 || strcmp(argv[1], "stdio") != 0)
        return 64;
    target.sin_family = AF_INET;
    target.sin_port = htons((uint16_t)atoi(argv[3]));
    if (inet_pton(AF_INET, argv[2], &target.sin_addr) != 1)
        return 64;
    for (;;) {
        struct pollfd fds[2] = {
            {pending ? -1 : 0, POLLIN, 0},
            {prover, (short)(POLLIN | (pending ? POLLOUT : 0)), 0},
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (fds[1].revents & POLLOUT)
            to_prover();
        if (prover >= 0 && (fds[1].revents & (POLLIN | POLLERR | POLLHUP)))
            from_prover();
        if (fds[0].revents)
            from_host();
    }
}
