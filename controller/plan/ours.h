/*
 * The pool as forecast, timetable and schedule size it (pool/sizer.h), as a policy of a plan: the
 * classes of the plan are the timetable, the pool of a type is its floor in the pool's hours. What
 * it knows it learns from what it has seen in the plan. One object for one run.
 */
#pragma once

#include "plan/plan.h"

struct plan_ours;

/* 0 or -ENOMEM. Keeps `p` by pointer. */
NODISCARD int plan_ours_new(const struct plan *p, struct plan_ours **ret_ours);
struct plan_ours *plan_ours_free(struct plan_ours *o);
/* Valid as long as the object. */
const struct plan_policy *plan_ours_policy(const struct plan_ours *o);
