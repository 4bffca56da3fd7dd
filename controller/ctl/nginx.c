/* wsctl nginx-config: the gateway's configuration, from the template and the running controller. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "ctl.h"
#include "gateway_files.h"

#define TEMPLATE_MAX (256u * 1024)
#define SETTINGS_MAX (64u * 1024)

struct value {
        const char *name;
        char text[1024];
};

enum {
        PORT,
        LISTEN,
        OWN_NAMES,
        NAMES,
        HOST_SUFFIX_RE,
        PUBLIC_PORT,
        CONTROLLER,
        NEXT_API,
        NEXT_RESOLVE,
        NEXT_PAGE,
        AWAY_ON,
        RESOLVE_S,
        GATEWAY_KEY,
        RUN_DIR,
        SCHEME,
        USER_LINE,
        WORKERS,
        TLS,
        TLS_LISTEN,
        TLS_CERTIFICATE,
        TLS_KEY,
        REDIRECT_PORT,
        HSTS,
        PATHS,
        N_VALUES
};

static struct value values[N_VALUES] = {
        [PORT] = {.name = "PORT"},
        [LISTEN] = {.name = "LISTEN"},
        [OWN_NAMES] = {.name = "OWN_NAMES"},
        [NAMES] = {.name = "NAMES"},
        [HOST_SUFFIX_RE] = {.name = "HOST_SUFFIX_RE"},
        [PUBLIC_PORT] = {.name = "PUBLIC_PORT"},
        [CONTROLLER] = {.name = "CONTROLLER"},
        [NEXT_API] = {.name = "NEXT_API"},
        [NEXT_RESOLVE] = {.name = "NEXT_RESOLVE"},
        [NEXT_PAGE] = {.name = "NEXT_PAGE"},
        [AWAY_ON] = {.name = "AWAY_ON"},
        [RESOLVE_S] = {.name = "RESOLVE_S"},
        [GATEWAY_KEY] = {.name = "GATEWAY_KEY"},
        [RUN_DIR] = {.name = "RUN_DIR"},
        [SCHEME] = {.name = "SCHEME"},
        [USER_LINE] = {.name = "USER_LINE"},
        [WORKERS] = {.name = "WORKERS"},
        [TLS] = {.name = "TLS"},
        [TLS_LISTEN] = {.name = "TLS_LISTEN"},
        [TLS_CERTIFICATE] = {.name = "TLS_CERTIFICATE"},
        [TLS_KEY] = {.name = "TLS_KEY"},
        [REDIRECT_PORT] = {.name = "REDIRECT_PORT"},
        [HSTS] = {.name = "HSTS"},
        [PATHS] = {.name = "PATHS"},
};

/* Text that nginx reads as one word, whatever stands around it. */
static bool is_plain(const char *s)
{
        static const char allowed[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                "./_-:[]@+";

        return *s && s[strspn(s, allowed)] == 0;
}

static int set_plain(int which, const char *option, const char *text)
{
        if (!is_plain(text) || STR_SET(values[which].text, text) < 0) {
                fprintf(stderr, "wsctl nginx-config: %s: \"%s\" can not stand in nginx.conf\n",
                        option, text);
                return -EINVAL;
        }
        return 0;
}

/* How the next controller is asked, where there is one. The status is one that the leader itself
 * does not give there, or gives to who deserves the same answer twice. */
static void set_next(bool several)
{
        STR_CUT(values[RESOLVE_S].text, several ? "2" : "5");
        if (!several)
                return;
        /* Every request of the API may be repeated (API.md). */
        STR_CUT(values[NEXT_API].text, "proxy_set_header X-Try-Next 502; proxy_next_upstream error "
                                       "timeout http_502 non_idempotent;");
        STR_CUT(values[NEXT_RESOLVE].text, "proxy_set_header X-Try-Next 404; "
                                           "proxy_next_upstream error timeout http_404;");
        STR_CUT(values[NEXT_PAGE].text, "proxy_set_header X-Try-Next 404; proxy_next_upstream "
                                        "error timeout http_404; proxy_intercept_errors on;");
        STR_CUT(values[AWAY_ON].text, "404 ");
}

/*
 * "A:P,B:P" as lines of the upstream. Whoever fails is left alone for a moment, so that a follower
 * or a controller that hangs is not asked again and again.
 */
static int set_controllers(const char *list)
{
        struct value *v = &values[CONTROLLER];
        bool several = strchr(list, ',') != NULL;
        size_t at = 0;

        for (const char *p = list; at < sizeof(v->text);) {
                size_t len = strcspn(p, ",");
                char one[128];

                if (len >= sizeof(one))
                        return set_plain(CONTROLLER, "--controllers", "");
                memcpy(one, p, len);
                one[len] = 0;
                if (!is_plain(one))
                        return set_plain(CONTROLLER, "--controllers", one);
                at += (size_t)snprintf(v->text + at, sizeof(v->text) - at, "%sserver %s%s;",
                                       at ? " " : "", one,
                                       several ? " max_fails=1 fail_timeout=1s" : "");
                if (!p[len])
                        break;
                p += len + 1;
        }
        if (at >= sizeof(v->text))
                return set_plain(CONTROLLER, "--controllers", "");
        set_next(several);
        return 0;
}

/*
 * Which names are whose: the suffix without its port is the controller's page and API, a name below
 * it a workspace's. With paths the suffix is the workspaces', and nothing else is served there: a
 * page of theirs could act as whoever operates the controller in the same browser.
 */
static int set_host(const char *suffix, bool paths)
{
        char host[256], re[512];
        size_t n = 0;
        bool local;

        STR_CUT(host, suffix);
        host[strcspn(host, ":")] = 0;
        for (const char *p = host; *p && n + 2 < sizeof(re); p++) {
                if (*p == '.')
                        re[n++] = '\\';
                re[n++] = *p;
        }
        re[n] = 0;
        if (!is_plain(host) || strpbrk(host, "[]@+/_"))
                return set_plain(HOST_SUFFIX_RE, "host suffix", "");
        STR_CUT(values[HOST_SUFFIX_RE].text, re);
        STR_CUT(values[PUBLIC_PORT].text, suffix + strcspn(suffix, ":"));
        local = strcmp(host, "localhost") == 0;
        (void)snprintf(values[OWN_NAMES].text, sizeof(values[OWN_NAMES].text),
                       "%s127.0.0.1 [::1]%s%s", local && paths ? "" : "localhost ",
                       local || paths ? "" : " ", local || paths ? "" : host);
        if (paths)
                STR_CUT(values[NAMES].text, host);
        else
                (void)snprintf(values[NAMES].text, sizeof(values[NAMES].text),
                               "\"~^ws-[a-z2-7]{12}\\.%s$\"", re);
        STR_CUT(values[PATHS].text, paths ? "1" : "");
        return 0;
}

static int complain(const char *text)
{
        fprintf(stderr, "wsctl nginx-config: %s\n", text);
        return -EINVAL;
}

/* TLS ends here, or in front of here, or there is none. */
static int set_tls(const struct ctl *c, const char *scheme)
{
        int r;

        if (!c->tls_certificate && !c->tls_key) {
                if (c->http_port)
                        return complain("--http-port leads to https: it wants --tls-certificate "
                                        "and --tls-key");
                if (c->hsts && strcmp(scheme, "https") != 0)
                        return complain("--hsts wants https: set public_scheme = https for the "
                                        "controller");
        } else {
                if (!c->tls_certificate || !c->tls_key)
                        return complain("--tls-certificate and --tls-key go together");
                if (strcmp(scheme, "https") != 0)
                        return complain("with TLS browsers come by https: set public_scheme = "
                                        "https for the controller, whose links say http now");
                STR_CUT(values[TLS].text, "1");
                STR_CUT(values[TLS_LISTEN].text, " ssl http2");
                r = set_plain(TLS_CERTIFICATE, "--tls-certificate", c->tls_certificate);
                if (r == 0)
                        r = set_plain(TLS_KEY, "--tls-key", c->tls_key);
                if (r < 0)
                        return r;
        }
        if (c->http_port)
                (void)snprintf(values[REDIRECT_PORT].text, sizeof(values[REDIRECT_PORT].text), "%u",
                               (unsigned)c->http_port);
        if (c->hsts)
                (void)snprintf(values[HSTS].text, sizeof(values[HSTS].text), "%llu",
                               (unsigned long long)c->hsts);
        return 0;
}

/* Started by root, nginx gives its workers to this user; otherwise everything is the caller's. */
static int set_user(const char *user)
{
        if (!user && geteuid() == 0)
                user = getpwnam("www-data") ? "www-data" : "nobody";
        if (!user || !user[0] || geteuid() != 0)
                return 0;
        if (!is_plain(user))
                return set_plain(USER_LINE, "--user", user);
        (void)snprintf(values[USER_LINE].text, sizeof(values[USER_LINE].text), "user %s;", user);
        return 0;
}

/*
 * nginx keeps there what its workers write; started by root they are another user, who must be able
 * to enter each folder on the way (the controller's state folder is closed).
 */
static int set_run_dir(const char *path)
{
        char way[1024];
        struct stat st;

        for (size_t n = 1; values[USER_LINE].text[0] && path[0] == '/' && n < sizeof(way); n++) {
                if (path[n] != '/' && path[n] != 0)
                        continue;
                memcpy(way, path, n);
                way[n] = 0;
                if (stat(way, &st) == 0 && !(st.st_mode & S_IXOTH)) {
                        fprintf(stderr,
                                "wsctl nginx-config: nginx's workers can not enter %s: make it "
                                "0755, or choose another folder with --run-dir\n",
                                way);
                        return -EACCES;
                }
                if (!path[n])
                        break;
        }
        return set_plain(RUN_DIR, "--run-dir", path);
}

static int fill_in(const struct ctl *c, const struct doc *gateway)
{
        char text[600];
        int r;

        (void)snprintf(values[PORT].text, sizeof(values[PORT].text), "%u",
                       (unsigned)(c->port              ? c->port
                                  : c->tls_certificate ? 8443
                                                       : 8080));
        (void)snprintf(values[WORKERS].text, sizeof(values[WORKERS].text), "%u",
                       (unsigned)(c->workers ? c->workers : 2));
        r = set_plain(LISTEN, "--listen", c->listen ? c->listen : "127.0.0.1");
        if (r == 0)
                r = set_controllers(c->controllers ? c->controllers
                                                   : doc_str(gateway, "controller"));
        if (r == 0)
                r = set_plain(GATEWAY_KEY, "key", doc_str(gateway, "gateway_key"));
        if (r == 0)
                r = set_plain(SCHEME, "scheme", doc_str(gateway, "scheme"));
        if (r == 0)
                r = set_tls(c, doc_str(gateway, "scheme"));
        if (r == 0)
                r = set_host(doc_str(gateway, "host_suffix"), doc_true(gateway, "paths"));
        if (r == 0)
                r = set_user(c->user);
        if (r < 0)
                return r;
        if (geteuid() == 0)
                STR_CUT(text, "/run/ws-gateway");
        else
                (void)snprintf(text, sizeof(text), "%s/gateway", c->state);
        return set_run_dir(c->run_dir ? c->run_dir : text);
}

static const struct value *value_at(const char *at, size_t *ret_len)
{
        for (size_t i = 0; i < N_VALUES; i++) {
                size_t n = strlen(values[i].name);
                if (strncmp(at + 1, values[i].name, n) == 0 && at[n + 1] == '@') {
                        *ret_len = n + 2;
                        return &values[i];
                }
        }
        return NULL;
}

static void print_line(const char *text, size_t n)
{
        const char *end = text + n;

        while (text < end) {
                const char *mark = memchr(text, '@', (size_t)(end - text));
                const struct value *v;
                size_t len = 0;

                (void)fwrite(text, 1, (size_t)((mark ? mark : end) - text), stdout);
                if (!mark)
                        break;
                v = value_at(mark, &len);
                if (v)
                        fputs(v->text, stdout);
                else
                        putchar('@');
                text = mark + (v ? len : 1);
        }
}

/* "#if NAME": is there such an option? NULL: the line is none of those. */
static const struct value *condition_of(const char *line, size_t n)
{
        for (size_t i = 0; i < N_VALUES && n > 4 && memcmp(line, "#if ", 4) == 0; i++) {
                if (strlen(values[i].name) == n - 4 && memcmp(line + 4, values[i].name, n - 4) == 0)
                        return &values[i];
        }
        return NULL;
}

static bool line_is(const char *line, size_t n, const char *text)
{
        return n == strlen(text) && memcmp(line, text, n) == 0;
}

/* Conditions do not nest. */
static void print_filled(const char *text)
{
        bool shown = true;

        while (*text) {
                size_t n = strcspn(text, "\n");
                const struct value *condition = condition_of(text, n);

                if (condition)
                        shown = condition->text[0] != 0;
                else if (line_is(text, n, "#else"))
                        shown = !shown;
                else if (line_is(text, n, "#endif"))
                        shown = true;
                else if (shown)
                        print_line(text, n + (text[n] == '\n'));
                text += n + (text[n] == '\n');
        }
}

/* What a controller has said once, instead of asking it: there may be none on this machine. */
static enum ctl_exit read_settings(const char *path, struct doc **ret_gateway)
{
        AUTO_BUF text = BUF_INIT(SETTINGS_MAX);
        AUTO_DOC *gateway = NULL;
        int r = file_read(path, &text);

        if (r < 0) {
                fprintf(stderr, "wsctl nginx-config: %s: %s\n", path, strerror(-r));
                return CTL_FAILED;
        }
        gateway = doc_parse((const char *)text.data, text.len);
        explicit_bzero(text.data, text.len);
        if (!doc_str(gateway, "gateway_key")[0] || !doc_str(gateway, "host_suffix")[0]) {
                fprintf(stderr,
                        "wsctl nginx-config: %s is not what `wsctl nginx-config --json` prints on "
                        "the machine of the controller: write it again\n",
                        path);
                return CTL_FAILED;
        }
        *ret_gateway = STEAL(gateway, NULL);
        return CTL_OK;
}

static enum ctl_exit get_settings(const struct ctl *c, struct doc **ret_gateway)
{
        AUTO_DOC *request = ctl_request_new("gateway", NULL);

        return c->settings ? read_settings(c->settings, ret_gateway)
                           : ctl_ask(c, request, 0, ret_gateway);
}

enum ctl_exit command_nginx_config(const struct ctl *c)
{
        AUTO_BUF template = BUF_INIT(TEMPLATE_MAX);
        AUTO_DOC *gateway = NULL;
        enum ctl_exit exit_code = get_settings(c, &gateway);
        int r;

        if (exit_code != CTL_OK)
                return exit_code;
        if (ctl_print_json(c, gateway))
                return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
        if (c->template)
                r = file_read(c->template, &template);
        else
                r = buf_append(&template, gateway_nginx_conf_in, gateway_nginx_conf_in_len);
        if (r == 0)
                r = buf_terminate(&template);
        if (r < 0) {
                fprintf(stderr, "wsctl nginx-config: %s: %s\n",
                        c->template ? c->template : "template", strerror(-r));
                return CTL_FAILED;
        }
        if (fill_in(c, gateway) < 0)
                return CTL_USAGE;
        print_filled((const char *)template.data);
        return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}
