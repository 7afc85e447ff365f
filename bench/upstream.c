/*
 * A mock of a vendor's API, fast enough never to be the limit: one thread, one epoll.
 *
 * Usage: upstream PORT
 *
 * Every request gets a fixed response of about 1 KB, in the format of its path: a chat completion,
 * or below `/v1/messages` Anthropic's message, below `/v1/responses` OpenAI's response. With
 * `"stream": true` in its body it gets server-sent events instead, one send() each, so that a gateway
 * sees one chunk at a time as it would behind a real vendor. The name of the model asks for
 * variations, as `-LETTERNUMBER`:
 *
 *   gpt-4o-n50-d20   a stream of 50 chunks of content, 20 ms apart (default: 200 chunks, no gap)
 *   gpt-4o-w100      a whole answer after 100 ms
 *   gpt-4o-e429      an error with status 429
 *   gpt-4o-k3        a stream whose connection is closed behind its third event
 *
 * Responses and their items have ids of their own, as the router keeps them by those.
 *
 * A stream of N chunks has N + 4 sends. Of chat these are the role, N times content, the finish
 * reason, usage and [DONE]; other formats have the events that they have in place of these.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 16384,
    EVENTS_AT_ONCE = 512,
    FIRST_INPUT_BYTES = 16384,
    FIRST_OUTPUT_BYTES = 4096,
    TEXT_BYTES = 4096,
    ANSWER_CONTENT_BYTES = 500,
    DEFAULT_CHUNKS = 200,
    EVENTS_BESIDE_CONTENT = 4,
    WORDS = 8,
    ID_DIGITS = 50,
};

struct text {
    char bytes[TEXT_BYTES];
    int length;
};

/* All that is sent in one format. */
struct format {
    struct text answer;
    struct text start;
    struct text content[WORDS];
    struct text end[EVENTS_BESIDE_CONTENT - 1];
};

/* What the name of the model asks for. */
struct wish {
    int chunks;
    int gap_ms;
    int wait_ms;
    int status;
    int cut_after;
};

enum state { IDLE, WAITING, STREAMING };

struct connection {
    int fd;
    char *in;
    size_t in_bytes;
    size_t in_room;
    char *out; /* what the socket did not take yet */
    size_t out_bytes;
    size_t out_sent;
    size_t out_room;
    enum state state;
    struct wish wish;
    const struct format *format;
    unsigned number; /* of the request */
    int event;  /* the next event of the stream to send */
    double due; /* when the answer, or its next event, is due */
    int slot;   /* in `active`, where the state is not IDLE */
};

static struct format chat, messages, responses;
static struct connection *connections[MAX_CONNECTIONS]; /* by file descriptor */
static struct connection *active[MAX_CONNECTIONS];      /* those with something due */
static int active_count;
static int epoll_fd;
static unsigned requests; /* so far */

static const char STREAM_HEADERS[] = "HTTP/1.1 200 OK\r\n"
                                     "Content-Type: text/event-stream; charset=utf-8\r\n"
                                     "Cache-Control: no-cache\r\n"
                                     "x-request-id: req_mock\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n";

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* ---- The texts that are sent ---------------------------------------------------------------- */

#define USAGE "{\"prompt_tokens\":212,\"completion_tokens\":117,\"total_tokens\":329"

/* Different words, as LiteLLM ends a stream that says the same thing a hundred times. */
static const char *words[WORDS] = {" quick", " brown", " foxes", " jumps",
                                   " above", " seven", " tired", " hound"};

static const char *answer_content(void) {
    static const char sentence[] =
        "The quick brown fox jumps over the lazy dog near the river bank. ";
    static char content[ANSWER_CONTENT_BYTES + sizeof sentence];
    content[0] = '\0';
    while (strlen(content) < ANSWER_CONTENT_BYTES)
        strcat(content, sentence);
    return content;
}

/* A whole answer, of a format string with one %s for its content. */
static void make_answer(struct text *answer, const char *format) {
    char body[TEXT_BYTES - 512];
    int length = sprintf(body, format, answer_content());
    answer->length = sprintf(answer->bytes,
                             "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/json\r\n"
                             "x-request-id: req_mock\r\n"
                             "openai-processing-ms: 1\r\n"
                             "Content-Length: %d\r\n\r\n%s",
                             length, body);
}

/* Frames some events as an HTTP chunk of its own. */
static void make_chunk(struct text *text, const char *events) {
    text->length = sprintf(text->bytes, "%zx\r\n%s\r\n", strlen(events), events);
}

static void end_body(struct text *text) {
    text->length += sprintf(text->bytes + text->length, "0\r\n\r\n");
}

static void make_chat_event(struct text *event, const char *choices, const char *usage) {
    char line[TEXT_BYTES - 64];
    sprintf(line,
            "data: {\"id\":\"chatcmpl-mock0123456789\",\"object\":"
            "\"chat.completion.chunk\",\"created\":1760000000,\"model\":"
            "\"gpt-4o-2024-08-06\",\"service_tier\":\"default\","
            "\"system_fingerprint\":\"fp_mock\",\"choices\":[%s],\"usage\":%s}\n\n",
            choices, usage);
    make_chunk(event, line);
}

static void make_chat(void) {
    make_answer(&chat.answer,
                "{\"id\":\"chatcmpl-mock0123456789\",\"object\":\"chat.completion\","
                "\"created\":1760000000,"
                "\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                "\"assistant\",\"content\":\"%s\",\"refusal\":null,\"annotations\":[]},"
                "\"logprobs\":null,"
                "\"finish_reason\":\"stop\"}],\"usage\":" USAGE ",\"prompt_tokens_details\":"
                "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":"
                "{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
                "\"rejected_prediction_tokens\":0}},\"service_tier\":\"default\","
                "\"system_fingerprint\":\"fp_mock\"}");
    make_chat_event(&chat.start,
                    "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\","
                    "\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}",
                    "null");
    for (int i = 0; i < WORDS; i++) {
        char choice[TEXT_BYTES - 1024];
        sprintf(choice,
                "{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,"
                "\"finish_reason\":null}",
                words[i]);
        make_chat_event(&chat.content[i], choice, "null");
    }
    make_chat_event(&chat.end[0],
                    "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}",
                    "null");
    make_chat_event(&chat.end[1], "", USAGE "}");
    make_chunk(&chat.end[2], "data: [DONE]\n\n");
    end_body(&chat.end[2]);
}

#define EVENT(type, fields) "event: " type "\ndata: {\"type\":\"" type "\"" fields "}\n\n"

static void make_messages(void) {
    make_answer(&messages.answer,
                "{\"id\":\"msg_mock0123456789\",\"type\":\"message\",\"role\":\"assistant\","
                "\"model\":\"claude-sonnet-4-5\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],"
                "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{"
                "\"input_tokens\":212,\"cache_creation_input_tokens\":0,"
                "\"cache_read_input_tokens\":0,\"output_tokens\":117,"
                "\"service_tier\":\"standard\"}}");
    make_chunk(&messages.start,
               EVENT("message_start",
                     ",\"message\":{\"id\":\"msg_mock0123456789\",\"type\":\"message\",\"role\":"
                     "\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],"
                     "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":212,"
                     "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
                     "\"output_tokens\":1,\"service_tier\":\"standard\"}}")
                   EVENT("content_block_start",
                         ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"));
    for (int i = 0; i < WORDS; i++) {
        char event[TEXT_BYTES - 64];
        sprintf(event,
                EVENT("content_block_delta",
                      ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}"),
                words[i]);
        make_chunk(&messages.content[i], event);
    }
    make_chunk(&messages.end[0], EVENT("content_block_stop", ",\"index\":0"));
    make_chunk(&messages.end[1],
               EVENT("message_delta",
                     ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
                     "\"usage\":{\"output_tokens\":117}"));
    make_chunk(&messages.end[2], EVENT("message_stop", ""));
    end_body(&messages.end[2]);
}

#define ID "01234567890123456789012345678901234567890123456789"
#define RESPONSE                                                                                   \
    "\"id\":\"resp_" ID "\",\"object\":\"response\",\"created_at\":1760000000,"            \
    "\"model\":\"gpt-5-2025-08-07\",\"error\":null,\"incomplete_details\":null,"                   \
    "\"parallel_tool_calls\":true,\"tools\":[],\"tool_choice\":\"auto\",\"metadata\":{},"
#define ITEM(status, content)                                                                      \
    "{\"id\":\"msg_" ID "\",\"type\":\"message\",\"status\":\"" status                               \
    "\",\"role\":\"assistant\",\"content\":[" content "]}"
#define PART(text) "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" text "\"}"
#define RESPONSE_USAGE                                                                             \
    "\"usage\":{\"input_tokens\":212,\"input_tokens_details\":{\"cached_tokens\":0},"              \
    "\"output_tokens\":117,\"output_tokens_details\":{\"reasoning_tokens\":0},"                    \
    "\"total_tokens\":329}"
#define AT ",\"item_id\":\"msg_" ID "\",\"output_index\":0,\"content_index\":0"

static void make_responses(void) {
    make_answer(&responses.answer, "{" RESPONSE "\"status\":\"completed\",\"output\":["
                ITEM("completed", PART("%s")) "]," RESPONSE_USAGE "}");
    make_chunk(&responses.start,
               EVENT("response.created",
                     ",\"sequence_number\":0,\"response\":{" RESPONSE
                     "\"status\":\"in_progress\",\"output\":[],\"usage\":null}")
                   EVENT("response.output_item.added",
                         ",\"sequence_number\":1,\"output_index\":0,\"item\":" ITEM(
                             "in_progress", ""))
                       EVENT("response.content_part.added",
                             ",\"sequence_number\":2" AT ",\"part\":" PART("")));
    for (int i = 0; i < WORDS; i++) {
        char event[TEXT_BYTES - 64];
        sprintf(event,
                EVENT("response.output_text.delta",
                      ",\"sequence_number\":%d" AT
                      ",\"delta\":\"%s\",\"logprobs\":[],\"obfuscation\":\"%.*s\""),
                i + 3, words[i], i + 1, "aXbYcZdW");
        make_chunk(&responses.content[i], event);
    }
    make_chunk(&responses.end[0],
               EVENT("response.output_text.done",
                     ",\"sequence_number\":998" AT ",\"logprobs\":[],\"text\":\"quick\""));
    make_chunk(&responses.end[1],
               EVENT("response.output_item.done",
                     ",\"sequence_number\":999,\"output_index\":0,\"item\":" ITEM(
                         "completed", PART("quick"))));
    make_chunk(&responses.end[2],
               EVENT("response.completed",
                     ",\"sequence_number\":1000,\"response\":{" RESPONSE
                     "\"status\":\"completed\",\"output\":[" ITEM(
                         "completed", PART("quick")) "]," RESPONSE_USAGE "}"));
    end_body(&responses.end[2]);
}

/* ---- Connections ---------------------------------------------------------------------------- */

static void *resize(void *memory, size_t bytes) {
    memory = realloc(memory, bytes);
    if (!memory) {
        perror("upstream: realloc");
        exit(1);
    }
    return memory;
}

static void activate(struct connection *c, enum state state, double due) {
    c->state = state;
    c->due = due;
    c->slot = active_count;
    active[active_count++] = c;
}

static void deactivate(struct connection *c) {
    c->state = IDLE;
    active[c->slot] = active[--active_count];
    active[c->slot]->slot = c->slot;
}

static void drop(struct connection *c) {
    if (c->state != IDLE)
        deactivate(c);
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void watch(struct connection *c, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = c->fd};
    epoll_ctl(epoll_fd, operation, c->fd, &event);
}

/* Sends what is left. Returns -1 when the connection is dead. */
static int flush(struct connection *c) {
    while (c->out_sent < c->out_bytes) {
        ssize_t sent =
            send(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return 0;
        }
        if (sent < 0)
            return -1;
        c->out_sent += sent;
    }
    c->out_bytes = c->out_sent = 0;
    return 0;
}

static void append(struct connection *c, const char *bytes, size_t length) {
    if (c->out_bytes + length > c->out_room) {
        c->out_room = c->out_bytes + length + FIRST_OUTPUT_BYTES;
        c->out = resize(c->out, c->out_room);
    }
    memcpy(c->out + c->out_bytes, bytes, length);
    c->out_bytes += length;
}

/* Makes each id of a response or an item that of its request: as OpenAI's, with the time in it. */
static void put_ids(char *bytes, size_t length, unsigned number) {
    static const char id[] = "_" ID;
    unsigned long long drawn = (number + 1ull) * 0x9E3779B97F4A7C15ull;
    char *end = bytes + length, *at = bytes;
    while ((at = memmem(at, end - at, id, sizeof id - 1))) {
        char digits[ID_DIGITS + 1];
        sprintf(digits, "%016llx01%08lx%016llx%08x", drawn, (long)time(NULL), ~drawn, number);
        memcpy(at + 1, digits, ID_DIGITS);
        at += sizeof id - 1;
    }
}

static int send_text(struct connection *c, const struct text *text) {
    append(c, text->bytes, text->length);
    if (c->format == &responses)
        put_ids(c->out + c->out_bytes - text->length, text->length, c->number);
    return flush(c);
}

static int send_error(struct connection *c, int status) {
    static const char body[] = "{\"error\":{\"message\":\"Asked for by the model's name.\","
                               "\"type\":\"mock_error\",\"param\":null,\"code\":null}}";
    struct text error;
    error.length = sprintf(error.bytes,
                           "HTTP/1.1 %d Mock\r\n"
                           "Content-Type: application/json\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           status, sizeof body - 1, body);
    return send_text(c, &error);
}

static const struct text *event_text(const struct connection *c) {
    int behind_content = c->event - c->wish.chunks;
    if (c->event == 0)
        return &c->format->start;
    if (behind_content <= 0)
        return &c->format->content[c->event % WORDS];
    return &c->format->end[behind_content - 1];
}

/* Sends the next event of a stream. Returns -1 when the connection is dead, or shall be. */
static int send_event(struct connection *c) {
    const struct text *text = event_text(c);
    if (c->event == 0)
        append(c, STREAM_HEADERS, sizeof STREAM_HEADERS - 1);
    c->event++;
    c->due += c->wish.gap_ms / 1000.0;
    if (c->event == c->wish.chunks + EVENTS_BESIDE_CONTENT)
        deactivate(c);
    if (send_text(c, text) < 0)
        return -1;
    return c->wish.cut_after && c->event >= c->wish.cut_after ? -1 : 0;
}

/* ---- Requests ------------------------------------------------------------------------------- */

/* The bytes of the first request that has come whole, or 0. Sets `body` to where its body is. */
static size_t whole_request(struct connection *c, char **body) {
    c->in[c->in_bytes] = '\0';
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return 0;
    *body = end + 4;
    size_t head_bytes = *body - c->in;

    *end = '\0'; /* for the length of the look-ups below */
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    int chunked = strcasestr(c->in, "\r\ntransfer-encoding: chunked") != NULL;
    size_t body_bytes = length ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    *end = '\r';

    if (chunked) {
        char *last = memmem(*body, c->in_bytes - head_bytes, "0\r\n\r\n", 5);
        return last ? (size_t)(last + 5 - c->in) : 0;
    }
    return c->in_bytes >= head_bytes + body_bytes ? head_bytes + body_bytes : 0;
}

/* The value behind a JSON key. A key inside a string has its quotes escaped, so never matches. */
static const char *value_of(const char *body, size_t bytes, const char *key) {
    const char *found = memmem(body, bytes, key, strlen(key));
    if (!found)
        return "";
    found += strlen(key);
    return found + strspn(found, " :\"");
}

static struct wish read_wish(const char *model) {
    struct wish wish = {.chunks = DEFAULT_CHUNKS};
    for (const char *at = model; *at && *at != '"'; at++) {
        if (at[0] != '-' || !isalpha((unsigned char)at[1]) || !isdigit((unsigned char)at[2]))
            continue;
        int number = atoi(at + 2);
        switch (at[1]) {
        case 'n': wish.chunks = number; break;
        case 'd': wish.gap_ms = number; break;
        case 'w': wish.wait_ms = number; break;
        case 'e': wish.status = number; break;
        case 'k': wish.cut_after = number; break;
        }
    }
    return wish;
}

static const struct format *format_of(const char *head) {
    const char *path = strchr(head, ' ');
    if (path && strncmp(path, " /v1/messages", 13) == 0)
        return &messages;
    return path && strncmp(path, " /v1/responses", 14) == 0 ? &responses : &chat;
}

/* Begins the answer to a request. Returns -1 when the connection is dead. */
static int answer_request(struct connection *c, const char *body, size_t bytes) {
    c->wish = read_wish(value_of(body, bytes, "\"model\""));
    c->format = format_of(c->in);
    c->number = ++requests;
    int stream = strncmp(value_of(body, bytes, "\"stream\""), "true", 4) == 0;
    if (c->wish.status)
        return send_error(c, c->wish.status);
    if (stream) {
        c->event = 0;
        activate(c, STREAMING, now());
        return send_event(c);
    }
    if (c->wish.wait_ms) {
        activate(c, WAITING, now() + c->wish.wait_ms / 1000.0);
        return 0;
    }
    return send_text(c, &c->format->answer);
}

/* Answers every request that has come whole; a pipelined one waits for the answer before it. */
static int answer_requests(struct connection *c) {
    while (c->state == IDLE && c->in_bytes) {
        char *body;
        size_t bytes = whole_request(c, &body);
        if (!bytes)
            return 0;
        char after = c->in[bytes];
        c->in[bytes] = '\0'; /* for the searches in the body */
        int result = answer_request(c, body, bytes - (body - c->in));
        c->in[bytes] = after;
        memmove(c->in, c->in + bytes, c->in_bytes - bytes);
        c->in_bytes -= bytes;
        if (result < 0)
            return -1;
    }
    return 0;
}

/* ---- The loop ------------------------------------------------------------------------------- */

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (fd >= MAX_CONNECTIONS) {
            close(fd);
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        c->in_room = FIRST_INPUT_BYTES;
        c->in = resize(NULL, c->in_room + 1);
        connections[fd] = c;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* Reads all there is. Returns -1 when the client went away. */
static int receive(struct connection *c) {
    for (;;) {
        if (c->in_bytes == c->in_room) {
            c->in_room *= 2;
            c->in = resize(c->in, c->in_room + 1);
        }
        size_t room = c->in_room - c->in_bytes;
        ssize_t got = recv(c->fd, c->in + c->in_bytes, room, 0);
        if (got < 0)
            return errno == EAGAIN ? 0 : -1;
        if (got == 0)
            return -1;
        c->in_bytes += got;
        if ((size_t)got < room)
            return 0;
    }
}

static void serve(struct connection *c, unsigned events) {
    if (events & EPOLLOUT) {
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
        if (flush(c) < 0) {
            drop(c);
            return;
        }
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        if (receive(c) < 0 || answer_requests(c) < 0)
            drop(c);
    }
}

/* Sends what is due, one event a connection, so that streams without a gap take turns. */
static void send_due(void) {
    double time = now();
    /* Downwards: a connection that leaves `active` is replaced by one that had its turn. */
    for (int i = active_count - 1; i >= 0; i--) {
        struct connection *c = active[i];
        if (c->due > time || c->out_bytes)
            continue;
        int result;
        if (c->state == WAITING) {
            deactivate(c);
            result = send_text(c, &c->format->answer);
        } else {
            result = send_event(c);
        }
        if (result < 0 || answer_requests(c) < 0)
            drop(c);
    }
}

/* How long epoll may wait: until the next thing is due that its socket will take. */
static int wait_ms(void) {
    double first = -1;
    for (int i = 0; i < active_count; i++) {
        if (!active[i]->out_bytes && (first < 0 || active[i]->due < first))
            first = active[i]->due;
    }
    if (first < 0)
        return -1;
    double left = first - now();
    return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

static int listen_on(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("upstream: bind");
        exit(1);
    }
    return listener;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "Usage: upstream PORT\n");
        return 2;
    }
    make_chat();
    make_messages();
    make_responses();
    int listener = listen_on(atoi(argv[1]));
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);

    struct epoll_event events[EVENTS_AT_ONCE];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, wait_ms());
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(listener);
            else if (connections[fd])
                serve(connections[fd], events[i].events);
        }
        send_due();
    }
}
