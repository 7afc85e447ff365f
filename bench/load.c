/*
 * A load generator for HTTP/1.1 with keep-alive: one thread, one epoll. Prints one JSON object.
 *
 * Usage: load -p PORT [-u PATH] [-b BODY_FILE] [-H "Name: value"]... [-s]
 *             [-c CONNECTIONS] [-n REQUESTS] [-t SECONDS] [-r RATE] [-g GAP_MS]
 *
 *   -s  the answers are streams of server-sent events
 *   -r  open loop: RATE requests a second are begun whatever becomes of them, and the latency of
 *       each counts from when it was due, so a gateway that stalls cannot hide it by receiving
 *       less. Without it the loop is closed: each connection sends its next request when it has
 *       the answer to its last.
 *   -g  closed loop: connections begin GAP_MS apart instead of all at once, as people do
 *
 * Begins at most REQUESTS and none after SECONDS. An answer is good when its status is 200, its
 * body is whole, and, of a stream, there was a chunk, no error, and its last event: [DONE], or that of
 * messages or responses. The chunks of a stream are its `data:` lines apart from [DONE]. The first
 * chunk is the first that says something: who speaks may come at once, or along with that. No answer
 * is read with a JSON parser.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_AT_ONCE = 512,
    RECEIVE_BYTES = 1 << 20,
    MAX_HEAD_BYTES = 16384, /* of an answer */
    MAX_HEADERS_BYTES = 8192, /* given with -H */
    LINE_START_BYTES = 512, /* a whole chunk of the mock upstream's */
    MAX_STATUS = 600,
    POLL_MS = 50,
    DRAIN_SECONDS = 10, /* how long answers are waited for when the time is up */
    BROKEN = -1,
};

/* The first that the mock upstream says in a stream. */
static const char first_word[] = "brown";

enum phase { HEAD, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, SIZED, UNTIL_CLOSE, WHOLE };

struct connection {
    int fd; /* -1: not open */
    int busy;
    int used;  /* has carried an answer, so the other side may have closed it meanwhile */
    int heard; /* a byte of the answer has come */
    int blocked; /* epoll tells when the socket takes more */
    double began;
    double first_chunk;
    size_t sent;
    /* the answer */
    enum phase phase;
    char head[MAX_HEAD_BYTES + 1];
    int head_bytes;
    int status;
    int close_after;
    long left; /* bytes of the body, or of its present chunk */
    int in_extension;
    int in_trailer;
    /* its events */
    char line[LINE_START_BYTES + 1]; /* how the present line starts */
    int line_bytes;
    long chunks;
    int error_event;
    int done;
};

struct options {
    int port;
    const char *path;
    const char *body_file;
    char headers[MAX_HEADERS_BYTES];
    int stream;
    int connections;
    long requests;
    double seconds;
    double rate;
    double gap;
};

struct totals {
    long begun, ok, failed, chunks, bytes;
    long refused;    /* of the failed: could not connect, or the connection broke */
    long incomplete; /* of the failed: status 200, but not a good answer */
    int statuses[MAX_STATUS];
    double *latency;
    double *first_chunk;
    long in_flight;
};

static struct options options = {
    .path = "/v1/chat/completions", .connections = 8, .requests = 1000, .seconds = 20};
static struct totals totals;
static struct connection *pool;
static char *request;
static size_t request_bytes;
static int epoll_fd;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "load: ");
    perror(what);
    exit(1);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void watch(struct connection *c, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, operation, c->fd, &event);
}

static void close_connection(struct connection *c) {
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void open_connection(struct connection *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        fail("socket");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* A refusal is reported by the first send or receive. */
    connect(c->fd, (struct sockaddr *)&address, sizeof address);
    c->used = c->blocked = 0;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

/* Sends what the socket takes; epoll says when it takes more. Returns BROKEN or 0. */
static int send_request(struct connection *c) {
    while (c->sent < request_bytes) {
        ssize_t sent = send(c->fd, request + c->sent, request_bytes - c->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->blocked = 1;
            return 0;
        }
        if (sent < 0)
            return BROKEN;
        c->sent += sent;
    }
    if (c->blocked)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->blocked = 0;
    return 0;
}

static void forget_answer(struct connection *c) {
    c->heard = c->head_bytes = c->status = c->close_after = 0;
    c->in_extension = c->in_trailer = 0;
    c->line_bytes = c->error_event = c->done = 0;
    c->chunks = c->left = 0;
    c->first_chunk = 0;
    c->phase = HEAD;
}

static void finish(struct connection *c, int whole);

/* Sends on the connection as it is; on a new one where there is none, or it was closed. */
static void transmit(struct connection *c) {
    c->sent = 0;
    if (c->fd >= 0 && send_request(c) == BROKEN)
        close_connection(c);
    if (c->fd >= 0)
        return;
    c->sent = 0;
    open_connection(c);
    if (send_request(c) == BROKEN)
        finish(c, 0);
}

static void begin(struct connection *c, double due) {
    forget_answer(c);
    c->busy = 1;
    c->began = due;
    totals.begun++;
    totals.in_flight++;
    transmit(c);
}

/* ---- Reading an answer ---------------------------------------------------------------------- */

static int good_answer(const struct connection *c) {
    if (c->status != 200)
        return 0;
    return !options.stream || (c->chunks > 0 && c->done && !c->error_event);
}

static int starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static void end_line(struct connection *c) {
    c->line[c->line_bytes] = '\0';
    c->line_bytes = 0;
    if (!starts(c->line, "data:"))
        return;
    const char *data = c->line + 5 + strspn(c->line + 5, " ");
    if (starts(data, "[DONE]")) {
        c->done = 1;
        return;
    }
    c->done |= starts(data, "{\"type\":\"message_stop\"") ||
               starts(data, "{\"type\":\"response.completed\"");
    c->error_event |= starts(data, "{\"error\"") || starts(data, "{\"type\":\"error\"") ||
                      starts(data, "{\"type\":\"response.failed\"");
    c->chunks++;
    if (!c->first_chunk && strstr(c->line, first_word))
        c->first_chunk = now();
}

/* Counts an answer that has ended, whole or not. */
static void finish(struct connection *c, int whole) {
    if (c->line_bytes)
        end_line(c);
    c->busy = 0;
    c->used = 1;
    totals.in_flight--;
    totals.statuses[c->status]++;
    totals.chunks += c->chunks;
    if (whole && good_answer(c)) {
        totals.latency[totals.ok] = now() - c->began;
        totals.first_chunk[totals.ok] = c->first_chunk - c->began;
        totals.ok++;
    } else {
        totals.failed++;
        totals.refused += c->status == 0;
        totals.incomplete += c->status == 200;
    }
    if (!whole || c->close_after || c->sent < request_bytes)
        close_connection(c);
}

static void take_body(struct connection *c, const char *bytes, long count) {
    totals.bytes += count;
    if (!options.stream)
        return;
    const char *end = bytes + count;
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', end - bytes);
        long length = (newline ? newline : end) - bytes;
        long room = LINE_START_BYTES - c->line_bytes;
        memcpy(c->line + c->line_bytes, bytes, length < room ? length : room);
        c->line_bytes += length < room ? length : room;
        if (newline)
            end_line(c);
        bytes += length + 1;
    }
}

static void read_headers(struct connection *c) {
    c->status = c->head_bytes > 12 ? atoi(c->head + strlen("HTTP/1.1 ")) : 0;
    if (c->status < 0 || c->status >= MAX_STATUS)
        c->status = 0;
    c->close_after = strcasestr(c->head, "\r\nconnection: close") != NULL;
    static const char name[] = "\r\ncontent-length:";
    const char *length = strcasestr(c->head, name);
    if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) {
        c->phase = CHUNK_SIZE;
    } else if (length) {
        c->left = atol(length + sizeof name - 1);
        c->phase = c->left ? SIZED : WHOLE;
    } else {
        c->close_after = 1;
        c->phase = UNTIL_CLOSE;
    }
}

/* Takes bytes of the head. Returns how many, or BROKEN when it is too long. */
static long take_head(struct connection *c, const char *bytes, long count) {
    int before = c->head_bytes;
    long room = MAX_HEAD_BYTES - before;
    long taken = count < room ? count : room;
    memcpy(c->head + before, bytes, taken);
    c->head_bytes += taken;
    c->head[c->head_bytes] = '\0';
    char *end = strstr(c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
    if (!end)
        return c->head_bytes == MAX_HEAD_BYTES ? BROKEN : taken;
    *end = '\0';
    read_headers(c);
    return end + 4 - c->head - before;
}

static int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Takes one byte of the line that gives a chunk's size. Returns 1, or BROKEN. */
static long take_size(struct connection *c, char byte) {
    if (byte == '\n') {
        c->phase = c->left ? CHUNK : TRAILER;
        c->in_extension = 0;
    } else if (byte == ';' || byte == '\r' || c->in_extension) {
        c->in_extension = 1;
    } else if (hex_digit(byte) < 0) {
        return BROKEN;
    } else {
        c->left = c->left * 16 + hex_digit(byte);
    }
    return 1;
}

/* Takes one byte behind the last chunk: header lines, until an empty one. */
static long take_trailer(struct connection *c, char byte) {
    if (byte == '\n') {
        c->phase = c->in_trailer ? TRAILER : WHOLE;
        c->in_trailer = 0;
    } else if (byte != '\r') {
        c->in_trailer = 1;
    }
    return 1;
}

/* Takes bytes of a chunk, or of a body of known size. */
static long take_left(struct connection *c, const char *bytes, long count, enum phase next) {
    long taken = count < c->left ? count : c->left;
    take_body(c, bytes, taken);
    c->left -= taken;
    if (!c->left)
        c->phase = next;
    return taken;
}

/* Takes what it can at once. Returns how many bytes that was, or BROKEN. */
static long take(struct connection *c, const char *bytes, long count) {
    switch (c->phase) {
    case HEAD: return take_head(c, bytes, count);
    case CHUNK_SIZE: return take_size(c, *bytes);
    case CHUNK: return take_left(c, bytes, count, CHUNK_END);
    case CHUNK_END: c->phase = *bytes == '\n' ? CHUNK_SIZE : CHUNK_END; return 1;
    case TRAILER: return take_trailer(c, *bytes);
    case SIZED: return take_left(c, bytes, count, WHOLE);
    case UNTIL_CLOSE: take_body(c, bytes, count); return count;
    case WHOLE: return BROKEN; /* more than was announced */
    }
    return BROKEN;
}

static void take_all(struct connection *c, const char *bytes, long count) {
    c->heard = 1;
    while (count > 0) {
        long taken = take(c, bytes, count);
        if (taken == BROKEN) {
            finish(c, 0);
            return;
        }
        bytes += taken;
        count -= taken;
    }
    if (c->phase == WHOLE)
        finish(c, 1);
}

/* The other side closed the connection, or it broke. */
static void lose(struct connection *c) {
    int used = c->used;
    close_connection(c);
    if (!c->busy)
        return;
    if (used && !c->heard)
        transmit(c); /* it was closed while idle: every HTTP client tries once more */
    else
        finish(c, c->phase == UNTIL_CLOSE);
}

static void serve(struct connection *c, unsigned events) {
    static char bytes[RECEIVE_BYTES];
    if (c->fd < 0)
        return;
    if ((events & EPOLLOUT) && send_request(c) == BROKEN) {
        lose(c);
        return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        lose(c);
    else if (c->busy)
        take_all(c, bytes, got);
    else
        close_connection(c); /* bytes that nobody asked for */
}

/* ---- The two loops -------------------------------------------------------------------------- */

static int may_begin(double end) {
    return totals.begun < options.requests && now() < end;
}

static void wait_and_serve(void) {
    static struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, POLL_MS);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (c)
            serve(c, events[i].events);
    }
}

static struct connection *idle_connection(void) {
    struct connection *closed = NULL;
    for (int i = 0; i < options.connections; i++) {
        if (!pool[i].busy && pool[i].fd >= 0)
            return &pool[i];
        if (!pool[i].busy && !closed)
            closed = &pool[i];
    }
    return closed;
}

/* The timer ends epoll's wait to the microsecond; epoll's own time-out knows milliseconds only. */
static void wake_at(int timer, double time) {
    struct itimerspec spec = {.it_value = {(time_t)time, (time - (time_t)time) * 1e9}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int make_timer(void) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer, &event);
    return timer;
}

static void open_loop(double start, double end) {
    int timer = make_timer();
    double due = start;
    while (may_begin(end)) {
        struct connection *c;
        while (due <= now() && may_begin(end) && (c = idle_connection())) {
            begin(c, due);
            due += 1 / options.rate;
        }
        wake_at(timer, due);
        wait_and_serve();
    }
}

static void closed_loop(double start, double end) {
    int timer = make_timer();
    int joined = 0; /* connections that take part already */
    while (may_begin(end)) {
        while (joined < options.connections && now() >= start + joined * options.gap)
            joined++;
        if (joined < options.connections)
            wake_at(timer, start + joined * options.gap);
        for (int i = 0; i < joined; i++) {
            if (!pool[i].busy && may_begin(end))
                begin(&pool[i], now());
        }
        wait_and_serve();
    }
}

static void drain(double end) {
    while (totals.in_flight && now() < end)
        wait_and_serve();
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

static char *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "r");
    if (!file)
        fail(path);
    fseek(file, 0, SEEK_END);
    *bytes = ftell(file);
    rewind(file);
    char *content = malloc(*bytes + 1);
    if (fread(content, 1, *bytes, file) != *bytes)
        fail(path);
    fclose(file);
    return content;
}

/* The same bytes each time: what an OpenAI SDK sends, as to its headers. */
static void make_request(void) {
    size_t body_bytes = 0;
    char *body = options.body_file ? read_file(options.body_file, &body_bytes) : NULL;
    request = malloc(body_bytes + sizeof options.headers + 1024);
    request_bytes = sprintf(request,
                            "%s %s HTTP/1.1\r\n"
                            "Host: 127.0.0.1:%d\r\n"
                            "User-Agent: OpenAI/Python 2.0.0\r\n"
                            "Accept: application/json\r\n"
                            "Accept-Encoding: identity\r\n"
                            "Content-Type: application/json\r\n"
                            "x-stainless-lang: python\r\n"
                            "x-stainless-runtime: CPython\r\n"
                            "%sContent-Length: %zu\r\n\r\n",
                            body ? "POST" : "GET", options.path, options.port, options.headers,
                            body_bytes);
    if (body)
        memcpy(request + request_bytes, body, body_bytes);
    request_bytes += body_bytes;
    free(body);
}

static void add_header(const char *header) {
    size_t length = strlen(options.headers);
    if (length + strlen(header) + 3 > sizeof options.headers) {
        fprintf(stderr, "load: too many headers\n");
        exit(2);
    }
    sprintf(options.headers + length, "%s\r\n", header);
}

static void read_options(int argc, char **argv) {
    int letter;
    while ((letter = getopt(argc, argv, "p:u:b:H:sc:n:t:r:g:")) > 0) {
        switch (letter) {
        case 'p': options.port = atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 'b': options.body_file = optarg; break;
        case 'H': add_header(optarg); break;
        case 's': options.stream = 1; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'n': options.requests = atol(optarg); break;
        case 't': options.seconds = atof(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'g': options.gap = atof(optarg) / 1000; break;
        default: exit(2);
        }
    }
    if (!options.port || options.connections < 1 || options.requests < 1) {
        fprintf(stderr, "load: -p PORT is needed; -c and -n are at least 1\n");
        exit(2);
    }
}

static int compare(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

/* In milliseconds; null when there is nothing to take it of. */
static void print_quantiles(const char *name, double *seconds) {
    static const int percents[] = {50, 90, 99, 100};
    qsort(seconds, totals.ok, sizeof *seconds, compare);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        long at = totals.ok * percents[i] / 100;
        printf(",\"%s_p%d_ms\":", name, percents[i]);
        if (totals.ok)
            printf("%.4f", seconds[at < totals.ok ? at : totals.ok - 1] * 1000);
        else
            printf("null");
    }
}

static void print_result(double seconds) {
    printf("{\"ok\":%ld,\"failed\":%ld,\"refused\":%ld,\"incomplete\":%ld,\"unfinished\":%ld",
           totals.ok, totals.failed, totals.refused, totals.incomplete, totals.in_flight);
    printf(",\"seconds\":%.4f,\"requests_per_second\":%.1f", seconds, totals.ok / seconds);
    printf(",\"chunks\":%ld,\"bytes\":%ld", totals.chunks, totals.bytes);
    print_quantiles("latency", totals.latency);
    if (options.stream)
        print_quantiles("first_chunk", totals.first_chunk);
    printf(",\"statuses\":{");
    const char *comma = "";
    for (int status = 0; status < MAX_STATUS; status++) {
        if (totals.statuses[status]) {
            printf("%s\"%d\":%d", comma, status, totals.statuses[status]);
            comma = ",";
        }
    }
    printf("}}\n");
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    make_request();
    totals.latency = calloc(options.requests, sizeof *totals.latency);
    totals.first_chunk = calloc(options.requests, sizeof *totals.first_chunk);
    pool = calloc(options.connections, sizeof *pool);
    for (int i = 0; i < options.connections; i++)
        pool[i].fd = -1;
    epoll_fd = epoll_create1(0);

    double start = now();
    double end = start + options.seconds;
    if (options.rate > 0)
        open_loop(start, end);
    else
        closed_loop(start, end);
    drain(end + DRAIN_SECONDS);
    print_result(now() - start);
    return 0;
}
