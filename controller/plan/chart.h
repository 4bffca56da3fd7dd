/* The containers over the day, as text, SVG and CSV. Pure: writes into a buffer. */
#pragma once

#include "base/buf.h"
#include "plan/plan.h"

/* Columns without the axis: 24 to 200. `ascii`: no other characters. */
NODISCARD int chart_text(const struct plan_result *r, uint32_t columns, bool ascii,
                         struct buf *dst);
/* Stacked areas with axes and a legend. */
NODISCARD int chart_svg(const struct plan *p, const struct plan_result *r, struct buf *dst);
/* A header and 1,440 lines. */
NODISCARD int chart_csv(const struct plan_result *r, struct buf *dst);
