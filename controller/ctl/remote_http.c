/* One request to the controller's HTTP API, by libcurl; the connection is kept between them. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "remote.h"

#define ANSWER_MAX (16u * 1024 * 1024)
#define TOKEN_MAX 4096
#define CONNECT_MS 5000L
#define ANSWER_MS 10000

static const char *token_file(const struct ctl *c)
{
        return c->token_file ? c->token_file : getenv("WSCTL_TOKEN_FILE");
}

const char *remote_token_source(const struct ctl *c)
{
        static char text[300];

        if (!token_file(c))
                return "WSCTL_TOKEN";
        (void)snprintf(text, sizeof(text), "the file %s", token_file(c));
        return text;
}

/* This machine, whatever stands behind the name: "localhost.example.org" is another. */
static bool is_loopback(const char *host)
{
        static const char *const names[] = {"localhost", "[::1]"};
        size_t len = strcspn(host, ":/?#");
        char text[INET_ADDRSTRLEN];
        struct in_addr a;

        if (strchr(host, '@'))
                return false;
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                size_t n = strlen(names[i]);

                if (str_starts(host, names[i]) && (!host[n] || strchr(":/?#", host[n])))
                        return true;
        }
        if (len >= sizeof(text))
                return false;
        memcpy(text, host, len);
        text[len] = 0;
        return inet_pton(AF_INET, text, &a) == 1 && ntohl(a.s_addr) >> 24 == IN_LOOPBACKNET;
}

enum ctl_exit remote_check_address(const char *address)
{
        static const char plain[] = "http://";
        const char *host = address + sizeof(plain) - 1;

        if (str_starts(address, "https://") && address[8])
                return CTL_OK;
        if (!str_starts(address, plain) || !host[0]) {
                fprintf(stderr, "wsctl: %s is not an address such as https://HOST:PORT\n", address);
                return CTL_USAGE;
        }
        if (is_loopback(host))
                return CTL_OK;
        fprintf(stderr,
                "wsctl: %s would show the token to the network; use https, or a tunnel such as "
                "ssh -L 7701:127.0.0.1:7701\n",
                address);
        return CTL_USAGE;
}

/* One line. CTL_USAGE: there is none. */
static enum ctl_exit read_token(const struct ctl *c, struct buf *token, char *error)
{
        const char *file = token_file(c), *given = getenv("WSCTL_TOKEN");
        int r = file ? file_read(file, token) : buf_append_str(token, given ? given : "");
        struct stat st;

        if (r < 0) {
                (void)snprintf(error, REMOTE_ERROR_SIZE, "%.300s: the token can not be read: %s",
                               file ? file : "WSCTL_TOKEN", strerror(-r));
                return CTL_USAGE;
        }
        if (file && stat(file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
                fprintf(stderr, "wsctl: %s can be read by others: chmod 600 it\n", file);
        while (token->len && strchr(" \t\r\n", token->data[token->len - 1]))
                token->len--;
        if (token->len && buf_append(token, "", 1) == 0 &&
            strlen((const char *)token->data) == token->len - 1 &&
            !strpbrk((const char *)token->data, "\r\n"))
                return CTL_OK;
        (void)snprintf(error, REMOTE_ERROR_SIZE,
                       "there is no token%s%.200s: put one into a file and name it with "
                       "--token-file or WSCTL_TOKEN_FILE",
                       file ? " in " : "", file ? file : "");
        return CTL_USAGE;
}

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
        struct buf *body = ctx;

        return buf_append(body, data, size * n) < 0 ? 0 : n;
}

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
        char line[TOKEN_MAX + 100];
        struct curl_slist *more;

        (void)snprintf(line, sizeof(line), "%s: %s", name, value);
        more = curl_slist_append(*list, line);
        if (more)
                *list = more;
        explicit_bzero(line, sizeof(line));
}

static struct curl_slist *headers_of(const struct remote_request *q, const char *token)
{
        struct curl_slist *list = NULL;
        char text[TOKEN_MAX + 20];

        (void)snprintf(text, sizeof(text), "Bearer %s", token);
        add_header(&list, "Authorization", text);
        explicit_bzero(text, sizeof(text));
        if (q->wait_ms > 0) {
                (void)snprintf(text, sizeof(text), "wait=%lld",
                               (long long)(q->wait_ms + 999) / 1000);
                add_header(&list, "Prefer", text);
        }
        if (q->if_match)
                add_header(&list, "If-Match", q->if_match);
        if (q->body)
                add_header(&list, "Content-Type", "application/json");
        else
                list = curl_slist_append(list, "Content-Type:");
        return curl_slist_append(list, "Expect:");
}

static void headers_free(struct curl_slist *list)
{
        for (struct curl_slist *l = list; l; l = l->next)
                explicit_bzero(l->data, strlen(l->data));
        curl_slist_free_all(list);
}

static enum ctl_exit say_failure(const struct ctl *c, CURLcode code, const char *detail,
                                 char *error)
{
        const char *why = detail[0] ? detail : curl_easy_strerror(code), *cure;

        switch ((int)code) {
        case CURLE_SSL_CONNECT_ERROR:
                cure = "does it speak TLS? Correct the port, or for this machine take http://";
                break;
        case CURLE_PEER_FAILED_VERIFICATION:
                cure = "its certificate is not trusted: name the authority with --ca-file, or "
                       "correct the name in the address";
                break;
        case CURLE_SSL_CACERT_BADFILE:
                cure = "--ca-file must be a file of certificates in PEM";
                break;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                cure = "there is no such name: correct the address";
                break;
        case CURLE_WRITE_ERROR:
                cure = "the answer is too large";
                break;
        default:
                cure = "is the controller running, and the way to it open?";
                break;
        }
        (void)snprintf(error, REMOTE_ERROR_SIZE, "no answer at %.200s: %.200s: %s", c->remote, why,
                       cure);
        return CTL_UNREACHABLE;
}

static void set_request(CURL *curl, const struct ctl *c, const struct remote_request *q)
{
        const char *ca = c->ca_file ? c->ca_file : getenv("WSCTL_CA_FILE");
        char url[800];

        (void)snprintf(url, sizeof(url), "%s%s", c->remote, q->path);
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
        if (q->body || strcmp(q->method, "POST") == 0) {
                const char *body = q->body ? q->body : "";

                (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
                (void)curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
        }
        (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        /* What is not encrypted stays on this machine, whatever the environment says of proxies. */
        if (str_starts(url, "http://"))
                (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                               (long)((c->brief ? CTL_BRIEF_MS : ANSWER_MS) +
                                      MAX(q->wait_ms, strstr(q->path, "&wait=") ? 60000 : 0)));
        (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "wsctl/" WS_VERSION);
        if (ca)
                (void)curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
}

static enum ctl_exit understand(const struct ctl *c, long status, const struct buf *body,
                                char *error, struct doc **ret_answer)
{
        AUTO_DOC *answer = body->len ? doc_parse((const char *)body->data, body->len) : doc_new();
        struct doc *refusal;

        if (answer && status >= 200 && status < 300) {
                *ret_answer = STEAL(answer, NULL);
                return CTL_OK;
        }
        refusal = answer ? doc_take(answer, "error") : NULL;
        if (refusal && doc_kind(refusal) == DOC_OBJECT) {
                *ret_answer = doc_new();
                doc_put(*ret_answer, "error", refusal);
                return CTL_OK;
        }
        doc_free(refusal);
        (void)snprintf(error, REMOTE_ERROR_SIZE,
                       "%.200s answered with status %ld and not as a controller does: correct the "
                       "address, or look at the gateway before it",
                       c->remote, status);
        return CTL_UNREACHABLE;
}

enum ctl_exit remote_http(const struct ctl *c, const struct remote_request *request,
                          char ret_error[static REMOTE_ERROR_SIZE], struct doc **ret_answer)
{
        static CURL *curl; /* with its connections, until the program ends */
        AUTO_BUF token = BUF_INIT(TOKEN_MAX);
        AUTO_BUF body = BUF_INIT(ANSWER_MAX);
        char detail[CURL_ERROR_SIZE] = "";
        struct curl_slist *headers;
        enum ctl_exit r = read_token(c, &token, ret_error);
        long status = 0;
        CURLcode code;

        if (r != CTL_OK)
                return r;
        if (!curl && (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(curl = curl_easy_init()))) {
                (void)snprintf(ret_error, REMOTE_ERROR_SIZE, "out of memory");
                return CTL_FAILED;
        }
        curl_easy_reset(curl);
        set_request(curl, c, request);
        headers = headers_of(request, (const char *)token.data);
        explicit_bzero(token.data, token.len);
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
        code = curl_easy_perform(curl);
        headers_free(headers);
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
        (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
        if (code != CURLE_OK)
                return say_failure(c, code, detail, ret_error);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        return understand(c, status, &body, ret_error, ret_answer);
}
