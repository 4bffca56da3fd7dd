/*
 * One kind of store: the verbs of store.h, behind a table. A store begins with `struct store`.
 * Private to controller/store.
 */
#pragma once

#include "store/store.h"

struct store_class {
        struct store *(*free)(struct store *s);
        const char *(*error)(const struct store *s);
        bool (*up)(const struct store *s);
        int (*lease_take)(struct store *s);
        void (*lease_release)(struct store *s);
        int (*load)(struct store *s, const struct store_visitor *v, store_done_fn done, void *ctx);
        int (*begin)(struct store *s);
        int (*put_workspace)(struct store *s, const struct workspace_row *row);
        int (*del_workspace)(struct store *s, const char *id);
        int (*put_task)(struct store *s, const struct task_row *row);
        int (*del_task)(struct store *s, const char *id);
        int (*put_setting)(struct store *s, const struct setting_row *row);
        int (*audit)(struct store *s, const struct audit_row *row);
        int (*raise_counter)(struct store *s, enum store_counter which, uint64_t value);
        int (*commit)(struct store *s, store_done_fn done, void *ctx);
        void (*rollback)(struct store *s);
        int (*audit_after)(struct store *s, uint64_t after_seq, const char *workspace,
                           uint32_t limit, store_audit_fn fn, store_done_fn done, void *ctx);
        int (*audit_newest)(struct store *s, const char *workspace, uint32_t limit,
                            store_audit_fn fn, store_done_fn done, void *ctx);
        int (*audit_prune)(struct store *s, utc_t before, store_done_fn done, void *ctx);
};

struct store {
        const struct store_class *class;
};

int store_sqlite_open(struct loop *l, const struct store_config *config,
                      const struct store_hooks *hooks, char ret_error[static STORE_ERROR_SIZE],
                      struct store **ret_store);

int store_postgres_open(struct loop *l, const struct store_config *config,
                        const struct store_hooks *hooks, char ret_error[static STORE_ERROR_SIZE],
                        struct store **ret_store);

#define STORE_PRUNE_ROWS_MAX 10000

extern const char *const store_counter_names[STORE_COUNTER_MAX];
