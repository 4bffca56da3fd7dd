/*
 * Claim, save and fencing: two controllers, a store with a lease row, two tasks with their agents, a
 * storage, a student. Every process may stand still between any two of its steps, which is how a
 * frozen leader is modelled; commands are lost, repeated and late.
 *
 * What is checked, at every step of every interleaving:
 *   - no task whose work is not committed is ended by a controller
 *   - a workspace is given to a task only when no other one still works for it
 *   - a restore starts from the newest committed save; the head never goes back
 *   - a save is committed in its own generation; generations grow with each claim
 *   - a transaction is accepted of the newest epoch only
 *   - who serves a student is what the store says (after a takeover too)
 *
 * The wrong models, each of which spin must refute:
 *   -DNO_FENCE            transactions do not check the epoch
 *   -DADVISORY_LOCK       whether it leads is looked at before the transaction, not in it
 *   -DSTOP_BEFORE_COMMIT  a task is ended when its last save is uploaded
 *   -DACT_FIRST           the claim is sent before it is committed
 *   -DNO_SALVAGE          a lost task's finished save is not looked for
 *   -DOLD_SAVE            a save is taken without regard to its generation
 *   -DREACHED             none of it is wrong, but the end of the story must be found: two generations,
 *                         all that was written in a save, under the last leader
 */

#define NONE 2      /* no task */
#define WRITES 2    /* that the student makes in all */
#define CLAIMS 2    /* generations */
#ifndef EPOCHS
#define EPOCHS 2    /* the first leader, and one takeover */
#endif

mtype = { STOPPED, ACTIVE, SAVING, SAVED }; /* the workspace, as stored */
mtype = { WARM, WORKING, ENDING, TOLD, FINISHED, DEAD }; /* a task and its agent */
mtype = { CLAIM, PREPARE_STOP };

typedef row {
        mtype state = STOPPED;
        byte gen = 0;
        byte task = NONE;
        byte head = 0; /* how many of the student's writes the newest committed save holds */
};

/* ---- the store ---- */

row store;
byte epoch = 0; /* of the lease, which may run out at any moment by the store's clock */

/* ---- the outside ---- */

mtype agent[2] = WARM;
byte agent_gen[2];  /* of the claim that it has taken on */
byte content[2];    /* writes in its files */
byte seen_epoch[2];
byte uploaded[CLAIMS + 1]; /* the storage: newest finished save of a generation */
byte announced[2];         /* what the agent says of its newest upload; repeated until heard */
bool announced_final[2];
byte acknowledged;         /* writes that an agent was told are committed */
byte given[CLAIMS + 1] = NONE; /* which task has had this generation */
byte writes = 0;
byte deaths = 0;

/*
 * A command: verb, generation, head, epoch. One place: a newer one takes the place of an older. One that
 * is lost is one that is never sent.
 */
chan command[2] = [1] of { mtype, byte, byte, byte };

inline send(p_to, p_verb, p_gen, p_head, p_epoch) {
        if
        :: command[p_to]?_, _, _, _ -> command[p_to]!p_verb, p_gen, p_head, p_epoch
        :: empty(command[p_to]) -> command[p_to]!p_verb, p_gen, p_head, p_epoch
        fi
}

/* ---- controllers ---- */

/* One transaction: the whole row `new`, if the epoch is still ours. */
inline commit() {
        atomic {
                if
#ifdef NO_FENCE
                :: true ->
#else
#ifdef ADVISORY_LOCK
                :: true ->
#else
                :: mine == epoch ->
#endif
#endif
                        assert(new.head >= store.head);
                        assert(new.gen >= store.gen);
#if !defined NO_FENCE && !defined ADVISORY_LOCK
                        assert(mine == epoch);
#endif
                        store.state = new.state;
                        store.gen = new.gen;
                        store.task = new.task;
                        store.head = new.head;
                        ok = true
                :: else -> ok = false
                fi
        }
}

#ifdef ADVISORY_LOCK
#define LEADS (mine == epoch)
#else
#define LEADS (mine > 0)
#endif

inline lead() {
        atomic {
                /* It has run out; whoever had it may not know. The first to lead is 0: they are alike. */
                epoch < EPOCHS && (mine == 0 || mine != epoch) && (epoch > 0 || me == 0) ->
                epoch++;
                mine = epoch;
                /* boot: the stored row is all it knows */
                my.state = store.state;
                my.gen = store.gen;
                my.task = store.task;
                my.head = store.head
        }
}

inline end_task(p_t) {
        atomic {
                /* Ended by a controller: all that it holds must be committed. */
                assert(!(agent[p_t] != DEAD && agent_gen[p_t] == store.gen && agent_gen[p_t] > 0 &&
                         content[p_t] > store.head));
                agent[p_t] = DEAD
        }
}

inline step_down() {
        mine = 0;
        my.state = STOPPED; my.gen = 0; my.task = NONE; my.head = 0
}

/* What is not needed any more is forgotten, or it would make states of its own. */
inline forget() {
        new.state = STOPPED; new.gen = 0; new.task = NONE; new.head = 0;
        v = 0; g = 0; ok = false; final = false
}

/* Gives the workspace to a warm task. */
inline claim(p_t) {
#ifdef ACT_FIRST
        atomic { send(p_t, CLAIM, my.gen + 1, my.head, mine) };
#endif
        atomic {
                new.state = ACTIVE; new.gen = my.gen + 1; new.task = p_t; new.head = my.head;
                commit();
                if
                :: ok ->
                        assert(given[new.gen] == NONE);
                        given[new.gen] = p_t;
                        /* Nobody else may still work for it, or hold what is not committed. */
                        assert(agent[1 - p_t] == DEAD || agent_gen[1 - p_t] == 0 ||
                               (agent[1 - p_t] == FINISHED && content[1 - p_t] <= store.head));
                        my.state = ACTIVE; my.gen = new.gen; my.task = p_t
                :: else -> step_down()
                fi;
                forget()
        }
}

/* The acknowledgement, which may get lost. */
inline acknowledge(p_t) {
        if
        :: agent_gen[p_t] == g && agent[p_t] != DEAD ->
                acknowledged = (v > acknowledged -> v : acknowledged);
                if
                :: announced[p_t] == v && announced_final[p_t] == final ->
                        announced[p_t] = 0;
                        if
                        :: final -> agent[p_t] = FINISHED
                        :: else -> skip
                        fi
                :: else -> skip
                fi
        :: true -> skip
        fi
}

/* What an agent has announced is heard now and committed later: in between much may happen. */
inline save(p_t) {
        d_step { v = announced[p_t]; g = agent_gen[p_t]; final = announced_final[p_t] };
#ifdef STOP_BEFORE_COMMIT
        if
        :: final -> end_task(p_t)
        :: else -> skip
        fi;
#endif
        atomic {
                if
#ifdef OLD_SAVE
                :: v > 0 && mine > 0 ->
#else
                :: v > 0 && mine > 0 && g == my.gen && p_t == my.task ->
#endif
                        new.gen = my.gen; new.task = my.task;
                        new.head = (v > my.head -> v : my.head);
                        new.state = (final -> SAVED : my.state);
                        commit();
                        if
                        :: ok ->
                                assert(g == store.gen);
                                my.head = new.head; my.state = new.state;
                                acknowledge(p_t)
                        :: else -> step_down()
                        fi
                :: else -> skip
                fi;
                forget()
        }
}

/* Its task is gone without a word: what it has finished uploading counts. */
inline recover() {
        atomic {
#ifdef NO_SALVAGE
                v = my.head;
#else
                v = uploaded[my.gen];
#endif
                new.state = STOPPED; new.gen = my.gen; new.task = NONE;
                new.head = (v > my.head -> v : my.head);
                commit();
                if
                :: ok ->
                        assert(store.head >= uploaded[store.gen]);
                        my.state = STOPPED; my.task = NONE; my.head = new.head
                :: else -> step_down()
                fi;
                forget()
        }
}

inline change(p_s, p_t) {
        atomic {
                new.state = p_s; new.gen = my.gen; new.task = p_t; new.head = my.head;
                commit();
                if
                :: ok ->
                        my.state = p_s; my.task = p_t;
#ifdef REACHED
                        assert(!(p_s == STOPPED && my.gen == CLAIMS && my.head == WRITES &&
                                 mine == EPOCHS))
#endif
                :: else -> step_down()
                fi;
                forget()
        }
}

proctype controller(byte me) {
        row my, new;
        byte mine = 0;
        byte v, g;
        bool ok, final;

endless:
        do
        :: lead()
        /* start */
        :: LEADS && my.state == STOPPED && my.gen < CLAIMS && agent[0] == WARM -> claim(0)
        :: LEADS && my.state == STOPPED && my.gen < CLAIMS && agent[0] != WARM && agent[1] == WARM -> claim(1)
        /* ask, and ask again */
        :: LEADS && my.state == ACTIVE && my.task != NONE && agent[my.task] == WARM ->
                atomic { send(my.task, CLAIM, my.gen, my.head, mine) }
        :: LEADS && my.state == SAVING && my.task != NONE && agent[my.task] == WORKING ->
                atomic { send(my.task, PREPARE_STOP, my.gen, 0, mine) }
        /* stop: also before the claim has reached it */
        :: LEADS && my.state == ACTIVE && agent[my.task] == WORKING -> change(SAVING, my.task)
        /* saves */
        :: LEADS && my.task != NONE && (my.state == ACTIVE || my.state == SAVING) -> save(my.task)
#ifdef OLD_SAVE
        :: LEADS && my.task != NONE && (my.state == ACTIVE || my.state == SAVING) ->
                save((1 - my.task))
#endif
        /* end */
        :: LEADS && my.state == SAVED && agent[my.task] != DEAD -> end_task(my.task)
        :: LEADS && my.state == SAVED && agent[my.task] == DEAD -> change(STOPPED, NONE)
        /* lost */
        :: LEADS && (my.state == ACTIVE || my.state == SAVING) && agent[my.task] == DEAD ->
                recover()
        od
}

/* ---- agents ---- */

proctype container(byte t) {
        mtype verb;
        byte g, h, e;

endless:
        do
        /* commands; older epochs are refused */
        :: atomic { agent[t] != DEAD && nempty(command[t]) ->
                command[t]?verb, g, h, e;
                if
                :: e < seen_epoch[t] -> skip
                :: else ->
                        seen_epoch[t] = e;
                        if
                        :: verb == CLAIM && agent[t] == WARM ->
                                /* the restore */
                                assert(g == store.gen && t == store.task);
                                assert(h == store.head);
                                assert(h >= acknowledged);
                                agent[t] = WORKING; agent_gen[t] = g; content[t] = h
                        :: verb == PREPARE_STOP && agent[t] == WORKING && g == agent_gen[t] ->
                                agent[t] = ENDING
                        :: else -> skip
                        fi
                fi;
                verb = 0; g = 0; h = 0; e = 0 }
        /* the student */
        :: atomic { agent[t] == WORKING && writes < WRITES -> writes++; content[t]++ }
        /* a save while the student works; announced, or the task dies before it can */
        :: atomic { agent[t] == WORKING && content[t] > uploaded[agent_gen[t]] ->
                uploaded[agent_gen[t]] = content[t] }
        :: atomic { agent[t] == WORKING && uploaded[agent_gen[t]] > announced[t] &&
                    uploaded[agent_gen[t]] > acknowledged ->
                announced[t] = uploaded[agent_gen[t]]; announced_final[t] = false }
        /* the last one, when all processes have ended */
        :: atomic { agent[t] == ENDING ->
                uploaded[agent_gen[t]] = content[t];
                announced[t] = (content[t] > 0 -> content[t] : 1);
                /* nothing was ever written: there is nothing to save, and it is said all the same */
                if
                :: content[t] == 0 -> announced[t] = 0; agent[t] = FINISHED
                :: else -> announced_final[t] = true; agent[t] = TOLD
                fi }
        /* death at any moment */
        :: atomic { agent[t] != DEAD && agent[t] != WARM && deaths < 1 ->
                deaths++; agent[t] = DEAD; announced[t] = 0 }
        od
}

init {
        atomic {
                run controller(0);
                run controller(1);
                run container(0);
                run container(1)
        }
}
