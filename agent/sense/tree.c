#include "sense/tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "sense/events.h"
#include "sense/nodes.h"
#include "sense/walk.h"

#define WATCH_MASK                                                                                 \
        (IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM |          \
         IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)
/* Work per turn of the loop: a few milliseconds. */
#define LIST_ENTRIES 1000
#define WALK_ENTRIES 1000
#define READ_BYTES 32768
/* Walks between two attempts to watch everything after all. */
#define RETRY_TICKS 10
/* A walk costs some 5 us for an entry: with more entries than this it is made less often. */
#define ENTRIES_PER_TICK 60000

struct move {
        struct node *node; /* out of the tree; NULL: free slot */
        uint32_t cookie;
        mono_t due;
};

struct tree {
        struct loop *loop;
        struct tree_config config;
        char workspace[PATH_MAX], home[PATH_MAX];
        int fd;
        struct loop_fd src;
        struct loop_timer work, tick, move_due;
        struct nodes nodes;
        struct node *queue_head, *queue_tail; /* folders to be listed */
        DIR *listing;
        struct node *listing_node; /* NULL: it went while it was listed */
        struct move moves[TREE_MOVES_MAX];
        bool crawling;   /* the first listing of all folders is not complete */
        bool incomplete; /* a folder could not be watched */
        bool rebuild;    /* wanted at the next tick */
        unsigned ticks;
        uint64_t walk_wait; /* ticks until the next walk */
        bool walking, walked;
        int walk_root;
        struct walk walk;
        struct walk_sum sums[TREE_AREA_MAX], last_sums[TREE_AREA_MAX];
        struct tree_stats stats;
        uint8_t buffer[READ_BYTES];
};

static void on_inotify(void *ctx, uint32_t events);

/* `sub` behind `root` and its slash; "" when they are equal; NULL when it is not inside. */
static const char *path_below(const char *root, const char *path)
{
        size_t n = strlen(root);

        if (strncmp(root, path, n) != 0 || (path[n] != '/' && path[n] != '\0'))
                return NULL;
        return path[n] == '/' ? path + n + 1 : path + n;
}

static bool skipped(void *ctx, const char *path, bool is_dir)
{
        struct tree *t = ctx;
        const char *rel = path_below(t->home, path);

        if (rel && *rel == '\0')
                return false;
        return t->config.skip(t->config.ctx, rel ? rel : path, is_dir);
}

static enum tree_area area_of(const struct tree *t, const char *path)
{
        return path_below(t->workspace, path) ? TREE_WORKSPACE : TREE_HOME;
}

/* ---- the queue of folders to be listed ---- */

static void enqueue(struct tree *t, struct node *n)
{
        if (n->queued)
                return;
        n->queued = true;
        n->queue_next = NULL;
        n->queue_prev = t->queue_tail;
        if (t->queue_tail)
                t->queue_tail->queue_next = n;
        else
                t->queue_head = n;
        t->queue_tail = n;
        if (mono_is_never(t->work.due))
                loop_timer_set_in(&t->work, 0);
}

static void dequeue(struct tree *t, struct node *n)
{
        if (!n->queued)
                return;
        if (n->queue_prev)
                n->queue_prev->queue_next = n->queue_next;
        else
                t->queue_head = n->queue_next;
        if (n->queue_next)
                n->queue_next->queue_prev = n->queue_prev;
        else
                t->queue_tail = n->queue_prev;
        n->queue_next = n->queue_prev = NULL;
        n->queued = false;
}

/* ---- folders come and go ---- */

static void drop_node(struct tree *t, struct node *n, bool unwatch)
{
        dequeue(t, n);
        if (t->listing_node == n)
                t->listing_node = NULL;
        if (unwatch)
                (void)inotify_rm_watch(t->fd, n->wd);
        nodes_remove(&t->nodes, n);
}

static void drop_subtree(struct tree *t, struct node *top)
{
        struct node *leaf;

        while ((leaf = nodes_leaf(top)) != top)
                drop_node(t, leaf, true);
        drop_node(t, top, true);
}

static void set_incomplete(struct tree *t)
{
        if (t->incomplete)
                return;
        t->incomplete = true;
        t->walked = false;
        t->config.lossy(t->config.ctx);
}

static void adopt(struct tree *t, struct node *known, struct node *parent, const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(t->moves); i++) {
                if (t->moves[i].node == known)
                        t->moves[i].node = NULL;
        }
        if (known->parent == parent && strcmp(known->name, name) == 0)
                return;
        /* What we know of this corner is outdated: begin anew instead of guessing. */
        if (nodes_attach(known, parent, name) < 0)
                t->rebuild = true;
}

/* Watch a folder and queue it for listing; known ones get their new place. */
static void add_dir(struct tree *t, struct node *parent, const char *name)
{
        char path[PATH_MAX];
        struct node *n;
        int wd;

        if (parent ? nodes_path(parent, name, path, sizeof(path)) < 0 : STR_SET(path, name) < 0) {
                set_incomplete(t);
                return;
        }
        if (skipped(t, path, true))
                return;
        if (t->nodes.n >= t->config.budget) {
                set_incomplete(t);
                return;
        }
        wd = inotify_add_watch(t->fd, path, WATCH_MASK);
        if (wd < 0) {
                /* Anything else: gone again, a link, a file, or closed to the student as well. */
                if (errno == ENOSPC || errno == ENOMEM || errno == ENAMETOOLONG)
                        set_incomplete(t);
                return;
        }
        n = nodes_find(&t->nodes, wd);
        if (n) {
                if (parent)
                        adopt(t, n, parent, name);
                return;
        }
        if (nodes_add(&t->nodes, wd, parent, name, &n) < 0) {
                (void)inotify_rm_watch(t->fd, wd);
                set_incomplete(t);
                return;
        }
        enqueue(t, n);
}

/* ---- moves ---- */

static void arm_moves(struct tree *t)
{
        mono_t due = MONO_NEVER;

        for (size_t i = 0; i < ARRAY_LEN(t->moves); i++) {
                if (t->moves[i].node)
                        due = mono_min(due, t->moves[i].due);
        }
        loop_timer_set(&t->move_due, due);
}

static void on_move_due(void *ctx)
{
        struct tree *t = ctx;

        for (size_t i = 0; i < ARRAY_LEN(t->moves); i++) {
                if (!t->moves[i].node || !mono_due(t->moves[i].due, loop_now(t->loop)))
                        continue;
                drop_subtree(t, STEAL(t->moves[i].node, NULL));
        }
        arm_moves(t);
}

static void moved_from(struct tree *t, struct node *parent, const struct sense_event *ev)
{
        struct node *n = nodes_child(parent, ev->name);
        struct move *free_slot = NULL;

        if (!n)
                return;
        nodes_detach(n);
        for (size_t i = 0; i < ARRAY_LEN(t->moves) && !free_slot; i++) {
                if (!t->moves[i].node)
                        free_slot = &t->moves[i];
        }
        if (!free_slot) {
                /* If it appears again it is watched as a new folder. */
                drop_subtree(t, n);
                return;
        }
        *free_slot = (struct move){.node = n,
                                   .cookie = ev->cookie,
                                   .due = mono_add_ms(loop_now(t->loop), TREE_MOVE_MS)};
        arm_moves(t);
}

static void moved_to(struct tree *t, struct node *parent, const struct sense_event *ev)
{
        char path[PATH_MAX];
        struct node *n = NULL;

        for (size_t i = 0; i < ARRAY_LEN(t->moves) && !n; i++) {
                if (t->moves[i].node && t->moves[i].cookie == ev->cookie)
                        n = STEAL(t->moves[i].node, NULL);
        }
        if (!n) {
                add_dir(t, parent, ev->name);
                return;
        }
        if (nodes_path(parent, ev->name, path, sizeof(path)) < 0 || skipped(t, path, true) ||
            nodes_attach(n, parent, ev->name) < 0) {
                drop_subtree(t, n);
                return;
        }
        /* What was left out under the old name may count under the new one: list all of it. */
        for (struct node *at = n; at; at = nodes_next(n, at))
                enqueue(t, at);
}

/* ---- events ---- */

static void tell_change(struct tree *t, const struct node *n, const char *name, bool is_dir)
{
        char path[PATH_MAX];

        if (nodes_path(n, name, path, sizeof(path)) < 0 || skipped(t, path, is_dir))
                return;
        t->config.changed(t->config.ctx, area_of(t, path), 1);
}

static void on_overflow(struct tree *t)
{
        t->stats.overflows++;
        t->rebuild = true;
        t->config.lossy(t->config.ctx);
}

static void on_event(struct tree *t, const struct sense_event *ev)
{
        struct node *n;
        bool is_dir = (ev->mask & IN_ISDIR) != 0;

        if (ev->mask & IN_Q_OVERFLOW) {
                on_overflow(t);
                return;
        }
        n = nodes_find(&t->nodes, ev->wd);
        if (!n)
                return;
        if (ev->mask & IN_IGNORED) {
                /* Deleted or unmounted: the kernel has removed the watch itself. */
                while (n->child)
                        drop_node(t, nodes_leaf(n), true);
                for (size_t i = 0; i < ARRAY_LEN(t->moves); i++) {
                        if (t->moves[i].node == n)
                                t->moves[i].node = NULL;
                }
                drop_node(t, n, false);
                return;
        }
        tell_change(t, n, ev->name, is_dir || !*ev->name);
        if (!is_dir || !*ev->name)
                return;
        if (ev->mask & IN_MOVED_FROM)
                moved_from(t, n, ev);
        else if (ev->mask & IN_MOVED_TO)
                moved_to(t, n, ev);
        else if (ev->mask & IN_CREATE)
                add_dir(t, n, ev->name);
}

static void on_inotify(void *ctx, uint32_t events)
{
        struct tree *t = ctx;
        ssize_t len = read(t->fd, t->buffer, sizeof(t->buffer));
        struct sense_event ev;
        size_t offset = 0;
        int r = 0;

        (void)events;
        while (len > 0 && (r = events_next(t->buffer, (size_t)len, &offset, &ev)) > 0)
                on_event(t, &ev);
        if (r < 0)
                on_overflow(t);
}

/* ---- listing ---- */

static bool entry_is_dir(unsigned char type)
{
        return type == DT_DIR || type == DT_UNKNOWN;
}

static void list_entry(struct tree *t, const struct dirent *e)
{
        struct node *n = t->listing_node;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                return;
        /* In a folder that appeared later, what is found may have come before the watch. */
        if (!t->crawling)
                tell_change(t, n, e->d_name, e->d_type == DT_DIR);
        if (entry_is_dir(e->d_type))
                add_dir(t, n, e->d_name);
}

static void list_next(struct tree *t)
{
        char path[PATH_MAX];
        struct node *n = t->queue_head;

        dequeue(t, n);
        if (nodes_path(n, "", path, sizeof(path)) < 0)
                return;
        t->listing = opendir(path);
        t->listing_node = t->listing ? n : NULL;
}

static void list_some(struct tree *t)
{
        for (int i = 0; i < LIST_ENTRIES && (t->listing || t->queue_head); i++) {
                struct dirent *e;

                if (!t->listing) {
                        list_next(t);
                        continue;
                }
                e = t->listing_node ? readdir(t->listing) : NULL;
                if (e) {
                        list_entry(t, e);
                        continue;
                }
                closedir(STEAL(t->listing, NULL));
                t->listing_node = NULL;
        }
}

static void end_listing(struct tree *t)
{
        if (t->listing)
                closedir(STEAL(t->listing, NULL));
        t->listing_node = NULL;
}

/* ---- walking ---- */

static const char *root_of(const struct tree *t, int area)
{
        return area == TREE_WORKSPACE ? t->workspace : t->home;
}

/* The workspace inside home is walked for itself, so that a change there is told as such. */
static bool walk_skipped(void *ctx, const char *path, bool is_dir)
{
        struct tree *t = ctx;

        if (t->walk_root == TREE_HOME && strcmp(path, t->workspace) == 0)
                return true;
        return skipped(t, path, is_dir);
}

static void walk_next_root(struct tree *t)
{
        while (t->walk_root < TREE_AREA_MAX &&
               walk_begin(&t->walk, root_of(t, t->walk_root), t->config.scan_entries_max,
                          walk_skipped, t) < 0)
                t->sums[t->walk_root++] = (struct walk_sum){0};
}

static void walk_done(struct tree *t)
{
        bool first = !t->walked, cut = false;
        uint64_t entries = 0;

        t->walking = false;
        t->walked = true;
        t->stats.walks++;
        for (int a = 0; a < TREE_AREA_MAX; a++) {
                bool same = t->sums[a].sum == t->last_sums[a].sum &&
                            t->sums[a].entries == t->last_sums[a].entries;

                entries += t->sums[a].entries;
                cut = cut || t->sums[a].cut;
                if (!first && !same)
                        t->config.changed(t->config.ctx, (enum tree_area)a, 1);
                t->last_sums[a] = t->sums[a];
        }
        t->walk_wait = entries / ENTRIES_PER_TICK;
        /* The first walk has nothing to compare with; behind a cut nobody has looked. */
        if (first || cut)
                t->config.lossy(t->config.ctx);
}

static void walk_some(struct tree *t)
{
        if (walk_step(&t->walk, WALK_ENTRIES) > 0)
                return;
        t->sums[t->walk_root++] = t->walk.sum;
        walk_next_root(t);
        if (t->walk_root >= TREE_AREA_MAX)
                walk_done(t);
}

static void start_walk(struct tree *t)
{
        t->walking = true;
        t->walk_root = 0;
        walk_next_root(t);
        if (t->walk_root >= TREE_AREA_MAX)
                walk_done(t);
        else
                loop_timer_set_in(&t->work, 0);
}

/* ---- the whole ---- */

static void on_work(void *ctx)
{
        struct tree *t = ctx;

        if (t->listing || t->queue_head)
                list_some(t);
        else if (t->walking)
                walk_some(t);
        if (t->listing || t->queue_head) {
                loop_timer_set_in(&t->work, 0);
                return;
        }
        if (t->crawling) {
                t->crawling = false;
                /* Changes in folders that had no watch yet were not seen. */
                t->config.lossy(t->config.ctx);
                if (t->incomplete)
                        start_walk(t);
        }
        if (t->walking)
                loop_timer_set_in(&t->work, 0);
}

static void teardown(struct tree *t)
{
        end_listing(t);
        walk_end(&t->walk);
        t->walking = false;
        loop_fd_del(&t->src);
        t->fd = fd_close(t->fd);
        t->queue_head = t->queue_tail = NULL;
        memset(t->moves, 0, sizeof(t->moves));
        loop_timer_cancel(&t->move_due);
        loop_timer_cancel(&t->work);
        nodes_deinit(&t->nodes);
}

static int build(struct tree *t)
{
        int r = nodes_init(&t->nodes, t->config.budget);

        if (r < 0)
                return r;
        t->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (t->fd < 0)
                return -errno;
        r = loop_fd_add(t->loop, &t->src, t->fd, EPOLLIN, on_inotify, t);
        if (r < 0)
                return r;
        t->rebuild = false;
        t->incomplete = false;
        t->crawling = true;
        t->stats.rebuilds++;
        /* First what matters most, should the budget not be enough for both. */
        add_dir(t, NULL, t->workspace);
        add_dir(t, NULL, t->home);
        loop_timer_set_in(&t->work, 0);
        return 0;
}

/* The node at that path, found by its names; NULL when it is not watched. */
static struct node *node_at(const struct tree *t, const char *path)
{
        struct node *n = NULL;

        /* The roots' watches are the first ones, so this ends early. */
        for (size_t i = 0; i < t->nodes.n_buckets; i++) {
                for (n = t->nodes.buckets[i]; n; n = n->hash_next) {
                        const char *rest = n->parent ? NULL : path_below(n->name, path);
                        struct node *at = n;
                        char name[NAME_MAX + 1];

                        while (at && rest && *rest) {
                                size_t len = strcspn(rest, "/");

                                if (len > NAME_MAX)
                                        return NULL;
                                memcpy(name, rest, len);
                                name[len] = '\0';
                                rest += len + (rest[len] == '/');
                                at = nodes_child(at, name);
                        }
                        if (at && rest)
                                return at;
                }
        }
        return NULL;
}

/*
 * A root that was not there yet, or was deleted or moved away and made again. A folder keeps its
 * watch when it is moved, and above the roots nobody watches: so ask the kernel which watch the
 * folder at that path has.
 */
static bool root_appeared(struct tree *t, const char *path)
{
        const struct node *n = node_at(t, path);
        struct stat st;
        int wd;

        if (skipped(t, path, true) || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
            access(path, R_OK) < 0)
                return false;
        /* Where watches are short, it may well be there: on_tick tries again, less often. */
        if (!n)
                return !t->incomplete;
        wd = inotify_add_watch(t->fd, path, WATCH_MASK);
        return wd >= 0 && wd != n->wd;
}

static void on_tick(void *ctx)
{
        struct tree *t = ctx;
        int r;

        loop_timer_set_in(&t->tick, t->config.scan_ms);
        if (!t->crawling && (root_appeared(t, t->home) || root_appeared(t, t->workspace)))
                t->rebuild = true;
        /* Perhaps the budget, or the kernel's, is enough for all by now. */
        if (t->incomplete && ++t->ticks % RETRY_TICKS == 0 &&
            t->nodes.n < t->config.budget - t->config.budget / 8)
                t->rebuild = true;
        if (!t->rebuild) {
                if (t->walk_wait > 0)
                        t->walk_wait--;
                else if (t->incomplete && !t->walking && !t->crawling)
                        start_walk(t);
                return;
        }
        teardown(t);
        r = build(t);
        if (r < 0) {
                log_error("watching the files failed; every change is assumed", LOG_ERR(r));
                t->rebuild = true;
                t->config.lossy(t->config.ctx);
        }
}

int tree_new(struct loop *l, const struct tree_config *config, struct tree **ret_tree)
{
        struct tree *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        t->loop = l;
        t->config = *config;
        t->fd = -1;
        t->src = LOOP_FD_NULL;
        loop_timer_init(l, &t->work, on_work, t);
        loop_timer_init(l, &t->tick, on_tick, t);
        loop_timer_init(l, &t->move_due, on_move_due, t);
        r = STR_SET(t->workspace, config->workspace);
        if (r == 0)
                r = STR_SET(t->home, config->home);
        if (r == 0)
                r = build(t);
        if (r < 0) {
                tree_free(t);
                return r;
        }
        loop_timer_set_in(&t->tick, config->scan_ms);
        *ret_tree = t;
        return 0;
}

struct tree *tree_free(struct tree *t)
{
        if (!t)
                return NULL;
        teardown(t);
        loop_timer_cancel(&t->tick);
        free(t);
        return NULL;
}

void tree_get_stats(const struct tree *t, struct tree_stats *ret_stats)
{
        *ret_stats = t->stats;
        ret_stats->watched = t->nodes.n;
        ret_stats->incomplete = t->incomplete;
        ret_stats->settled = !t->crawling && !t->walking && !t->listing && !t->queue_head;
}

/* False where the kernel does not say. */
static bool read_limit(const char *path, uint64_t *ret)
{
        AUTO_BUF b = BUF_INIT(64);

        if (file_read(path, &b) < 0 || b.len == 0)
                return false;
        b.data[b.len - 1] = '\0'; /* its newline */
        return num_parse_u64((const char *)b.data, 0, UINT64_MAX, ret) == 0;
}

size_t tree_default_budget(void)
{
        uint64_t watches = 8192, here; /* the kernel's smallest default */

        if (!read_limit("/proc/sys/fs/inotify/max_user_watches", &watches))
                log_warn("fs.inotify.max_user_watches is unreadable; assuming the smallest");
        /* A user namespace (user_namespaces(7)) may have a smaller one of its own. */
        if (read_limit("/proc/sys/user/max_inotify_watches", &here))
                watches = MIN(watches, here);
        return (size_t)MAX(MIN(watches / 4, (uint64_t)TREE_BUDGET_MAX), (uint64_t)1);
}
