/*
 * Completion: the shells' scripts ask `wsctl __complete WORD…` what may stand for the last word, so
 * that all of them know what the table of commands and the controller know. A line each: the value,
 * a tab, what it is; ":file" and ":dir" stand for what the shell itself completes.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "command.h"
#include "list.h"

/* What is being completed. */
struct place {
        struct ctl c;
        const struct command *cmd;
        const struct option_entry *option; /* whose value is wanted, or NULL */
        size_t n_arguments;                /* behind the command */
        const char *argument;              /* the first of them */
        char before[64];                   /* stays as it is: "--type=", "running," */
        const char *given;                 /* what is there of the rest */
};

static void offer(const struct place *p, const char *value, const char *what)
{
        if (value[0] && str_starts(value, p->given))
                printf("%s%s\t%s\n", p->before, value, what);
}

/* "a b c" */
static void offer_words(const struct place *p, const char *words)
{
        char word[64];

        while (*words) {
                size_t len = strcspn(words, " ");

                (void)snprintf(word, sizeof(word), "%.*s", (int)len, words);
                offer(p, word, "");
                words += len + (words[len] == ' ');
        }
}

static struct doc *ask(struct place *p, const char *cmd, const char *workspace)
{
        AUTO_DOC *request = ctl_request_new(cmd, workspace);
        struct doc *answer = NULL;

        p->c.brief = true;
        if (ctl_locate(&p->c) >= 0 || ctl_ask_quietly(&p->c, request, 0, &answer) != CTL_OK)
                return NULL;
        return answer;
}

static void offer_workspaces(struct place *p)
{
        AUTO_DOC *answer = ask(p, "ps", NULL);
        char what[200];

        for (const struct doc *w = NULL; (w = doc_next(doc_get(answer, "workspaces"), w));) {
                (void)snprintf(what, sizeof(what), "%s, %s, %s", doc_str(w, "user_id"),
                               doc_str(w, "workspace_type"), doc_str(w, "state"));
                offer(p, doc_str(w, "id"), what);
        }
}

/* Users are told once each, as long as they stand together; shells sort and join the rest. */
static void offer_users(struct place *p)
{
        AUTO_DOC *answer = ask(p, "ps", NULL);

        for (const struct doc *w = NULL; (w = doc_next(doc_get(answer, "workspaces"), w));)
                offer(p, doc_str(w, "user_id"), "");
}

static void offer_types(struct place *p)
{
        AUTO_DOC *answer = ask(p, "pool", NULL);

        for (const struct doc *t = NULL; (t = doc_next(doc_get(answer, "pools"), t));)
                offer(p, doc_str(t, "workspace_type"), doc_str(t, "reason"));
}

static void offer_saves(struct place *p)
{
        AUTO_DOC *answer = p->argument ? ask(p, "saves", p->argument) : NULL;

        for (const struct doc *s = NULL; (s = doc_next(doc_get(answer, "saves"), s));)
                offer(p, doc_str(s, "save"), doc_str(s, "at"));
}

static void offer_states(struct place *p)
{
        offer_words(p, "stopped starting running saving attention recovering deleted");
}

static void offer_columns(struct place *p)
{
        offer_words(p, LIST_COLUMN_NAMES + 1);
}

static void offer_commands(struct place *p)
{
        const struct command *cmd;

        for (size_t i = 0; (cmd = command_at(i)); i++)
                offer(p, cmd->name, cmd->summary);
}

static void offer_files(struct place *p)
{
        (void)p;
        puts(":file");
}

static void offer_folders(struct place *p)
{
        (void)p;
        puts(":dir");
}

static void offer_shells(struct place *p)
{
        offer_words(p, "bash zsh fish");
}

static void offer_actions(struct place *p)
{
        offer_words(p, "show check set clear");
}

static void offer_modes(struct place *p)
{
        offer_words(p, "pause maintenance drain");
}

/* By the name that a value or an argument has in the help. */
static const struct {
        const char *value;
        void (*fn)(struct place *p);
} kinds[] = {
        {"WORKSPACE", offer_workspaces},
        {"USER|WORKSPACE", offer_workspaces},
        {"USER", offer_users},
        {"TYPE", offer_types},
        {"STATES", offer_states},
        {"COLUMN", offer_columns},
        {"COLUMNS", offer_columns},
        {"SAVE|TIME", offer_saves},
        {"FILE", offer_files},
        {"[FILE]", offer_files},
        {"CSV", offer_files},
        {"DIR", offer_folders},
        {"SHELL", offer_shells},
        {"[COMMAND]", offer_commands},
        {"[ACTION]", offer_actions},
        {"[MODE]", offer_modes},
};

static void offer_kind(struct place *p, const char *value, size_t len)
{
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                if (strlen(kinds[i].value) == len && strncmp(kinds[i].value, value, len) == 0)
                        kinds[i].fn(p);
        }
}

/* Of a list only the last one is wanted. */
static void offer_value(struct place *p, const struct option_entry *o)
{
        const char *comma = strrchr(p->given, ',');
        size_t len = strlen(p->before);

        if (comma && (strcmp(o->value, "STATES") == 0 || strcmp(o->value, "COLUMNS") == 0)) {
                (void)snprintf(p->before + len, sizeof(p->before) - len, "%.*s",
                               (int)(comma + 1 - p->given), p->given);
                p->given = comma + 1;
        }
        offer_kind(p, o->value, strlen(o->value));
}

static void offer_options(const struct place *p, const struct option_entry *o)
{
        char name[44] = "--";

        for (; o->name; o++) {
                option_name(o, name + 2, sizeof(name) - 2);
                offer(p, name, o->help);
        }
}

static void offer_argument(struct place *p)
{
        const char *spec = p->cmd->argument;

        for (size_t i = 0; spec && *spec; i++) {
                size_t len = strcspn(spec, " ");

                if (i == p->n_arguments)
                        offer_kind(p, spec, len);
                spec += len + (spec[len] == ' ');
        }
}

/* ---- the words before ---- */

static const struct option_entry *find(const struct place *p, const char *word)
{
        size_t len = strcspn(word, "=");
        const struct option_entry *o = option_find(general_options, word, len);

        return o || !p->cmd ? o : option_find(p->cmd->options, word, len);
}

static void set_text(struct place *p, const struct option_entry *o, const char *value)
{
        if (o->kind == OPTION_TEXT)
                *(const char **)(void *)((char *)&p->c + o->offset) = value;
}

/* bash makes three words of "--type=x". */
static void pass(struct place *p, const char *word)
{
        if (p->option) {
                if (strcmp(word, "=") == 0)
                        return;
                set_text(p, p->option, word);
                p->option = NULL;
        } else if (str_starts(word, "--")) {
                const struct option_entry *o = find(p, word + 2);
                const char *value = strchr(word, '=');

                if (o && o->value[0] && value)
                        set_text(p, o, value + 1);
                else if (o && o->value[0])
                        p->option = o;
        } else if (!p->cmd) {
                p->cmd = command_find(word);
        } else if (p->n_arguments++ == 0) {
                p->argument = word;
        }
}

enum ctl_exit complete_words(int n, char **words)
{
        struct place p = {.given = n > 0 ? words[n - 1] : ""};
        const char *value;

        for (int i = 0; i + 1 < n; i++)
                pass(&p, words[i]);
        if (p.option && strcmp(p.given, "=") == 0)
                p.given = "";
        value = str_starts(p.given, "--") ? strchr(p.given, '=') : NULL;
        if (!p.option && value) {
                p.option = find(&p, p.given + 2);
                (void)snprintf(p.before, sizeof(p.before), "%.*s", (int)(value + 1 - p.given),
                               p.given);
                p.given = value + 1;
        }
        if (p.option) {
                offer_value(&p, p.option);
        } else if (p.given[0] == '-') {
                if (p.cmd)
                        offer_options(&p, p.cmd->options);
                offer_options(&p, general_options);
        } else if (p.cmd) {
                offer_argument(&p);
        } else {
                offer_commands(&p);
        }
        return CTL_OK;
}

/* ---- the scripts ---- */

static const char bash[] =
        "# wsctl completion bash: source this, or keep it as bash-completion/completions/wsctl.\n"
        "_wsctl() {\n"
        "        local cur=${COMP_WORDS[COMP_CWORD]} line\n"
        "        COMPREPLY=()\n"
        "        [ \"$cur\" = = ] && cur=\n"
        "        while IFS= read -r line; do\n"
        "                case $line in\n"
        "                :file) compopt -o filenames 2>/dev/null\n"
        "                        while IFS= read -r line; do COMPREPLY+=(\"$line\"); done \\\n"
        "                                < <(compgen -f -- \"$cur\") ;;\n"
        "                :dir) compopt -o filenames 2>/dev/null\n"
        "                        while IFS= read -r line; do COMPREPLY+=(\"$line\"); done \\\n"
        "                                < <(compgen -d -- \"$cur\") ;;\n"
        "                *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
        "                esac\n"
        "        done < <(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
        "2>/dev/null)\n"
        "}\n"
        "complete -F _wsctl wsctl\n";

static const char zsh[] =
        "#compdef wsctl\n"
        "# wsctl completion zsh: keep it as _wsctl in a folder of fpath, or source it.\n"
        "_wsctl() {\n"
        "        local line\n"
        "        local -a values\n"
        "        while IFS= read -r line; do\n"
        "                case $line in\n"
        "                :file) _files; return ;;\n"
        "                :dir) _files -/; return ;;\n"
        "                *) line=${line//:/\\\\:}; values+=(\"${line/$'\\t'/:}\") ;;\n"
        "                esac\n"
        "        done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
        "        _describe 'wsctl' values\n"
        "}\n"
        "if [ \"${funcstack[1]:-}\" = _wsctl ]; then _wsctl \"$@\"; else compdef _wsctl wsctl; "
        "fi\n";

static const char fish[] =
        "# wsctl completion fish: keep it as wsctl.fish in ~/.config/fish/completions.\n"
        "function __wsctl_complete\n"
        "        set -l words (commandline -opc)\n"
        "        set -l current (commandline -ct)\n"
        "        set -e words[1]\n"
        "        for line in (wsctl __complete $words \"$current\" 2>/dev/null)\n"
        "                switch $line\n"
        "                        case ':file'\n"
        "                                __fish_complete_path \"$current\"\n"
        "                        case ':dir'\n"
        "                                __fish_complete_directories \"$current\"\n"
        "                        case '*'\n"
        "                                echo $line\n"
        "                end\n"
        "        end\n"
        "end\n"
        "complete -c wsctl -f -a '(__wsctl_complete)'\n";

enum ctl_exit command_completion(const struct ctl *c)
{
        static const struct {
                const char *name, *script;
        } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

        for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
                if (strcmp(shells[i].name, c->argument) == 0) {
                        fputs(shells[i].script, stdout);
                        return CTL_OK;
                }
        }
        fprintf(stderr, "wsctl completion: %s is none of bash, zsh, fish\n", c->argument);
        return CTL_USAGE;
}
