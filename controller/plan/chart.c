#include "plan/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS 12
#define COLUMNS_MAX 200
#define SVG_LEFT 60.0
#define SVG_TOP 40.0
#define SVG_WIDTH 720.0
#define SVG_HEIGHT 300.0

static double all_of(const struct plan_minute *m)
{
        double n = 0;

        for (size_t u = 0; u < USE_MAX; u++)
                n += m->mean[u];
        return n;
}

static double highest(const struct plan_result *r)
{
        double n = 0;

        for (size_t i = 0; i < PLAN_DAY_MIN; i++)
                n = MAX(n, all_of(&r->minutes[i]));
        return n;
}

/* 1, 2 or 5 times a power of ten, not below n. */
static double round_up(double n)
{
        static const double steps[] = {1, 2, 5, 10};
        double unit = n > 0 ? pow(10, floor(log10(n))) : 1;

        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
                if (n <= steps[i] * unit)
                        return steps[i] * unit;
        }
        return 10 * unit;
}

/* Two numbers a column, means of its minutes: containers that somebody works in, and all. */
static void columns_of(const struct plan_result *r, uint32_t columns, double (*ret)[2])
{
        for (uint32_t c = 0; c < columns; c++) {
                size_t from = (size_t)c * PLAN_DAY_MIN / columns;
                size_t to = (size_t)(c + 1) * PLAN_DAY_MIN / columns;

                ret[c][0] = ret[c][1] = 0;
                for (size_t m = from; m < to; m++) {
                        ret[c][0] += r->minutes[m].mean[USE_WORK] / (double)(to - from);
                        ret[c][1] += all_of(&r->minutes[m]) / (double)(to - from);
                }
        }
}

/* The cell of a column whose bottom is `from` rows up: work below, the rest on top of it. */
static const char *cell(double work, double all, double from, bool ascii)
{
        static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        double part = work - from;

        if (ascii)
                return part >= 0.5 ? "#" : all - from >= 0.5 ? "." : " ";
        if (part >= 1)
                return "█";
        if (all - from >= 1 && part < 0.5)
                return "░";
        if (part > 0)
                return eighths[(size_t)(part * 8)];
        return all - from >= 0.5 ? "░" : " ";
}

int chart_text(const struct plan_result *r, uint32_t columns, bool ascii, struct buf *dst)
{
        double v[COLUMNS_MAX][2], top = round_up(highest(r)), unit = top / ROWS;
        char hours[COLUMNS_MAX + 8];
        int e = 0;

        columns = MIN(MAX(columns, 24u), (uint32_t)COLUMNS_MAX);
        columns_of(r, columns, v);
        for (int row = ROWS - 1; row >= 0 && e == 0; row--) {
                if (row == ROWS - 1 || row == ROWS / 2 - 1)
                        e = buf_printf(dst, "%8.6g %s", unit * (row + 1), ascii ? "|" : "┤");
                else
                        e = buf_printf(dst, "%8s %s", "", ascii ? "|" : "│");
                for (uint32_t c = 0; c < columns && e == 0; c++)
                        e = buf_append_str(dst, cell(v[c][0] / unit, v[c][1] / unit, row, ascii));
                if (e == 0)
                        e = buf_append_str(dst, "\n");
        }
        memset(hours, ' ', sizeof(hours));
        for (uint32_t h = 0; h < 24; h += 3)
                (void)snprintf(hours + h * columns / 24, 3, "%02u", h),
                        hours[h * columns / 24 + 2] = ' ';
        hours[columns] = 0;
        if (e == 0)
                e = buf_printf(dst, "%8s %s", "0", ascii ? "+" : "└");
        for (uint32_t c = 0; c < columns && e == 0; c++)
                e = buf_append_str(dst, ascii ? "-" : "─");
        if (e == 0)
                e = buf_printf(
                        dst,
                        "\n%10s%s\n%10s%s somebody works   %s launching, warm, or nobody there\n",
                        "", hours, "", ascii ? "#" : "█", ascii ? "." : "░");
        return e;
}

int chart_csv(const struct plan_result *r, struct buf *dst)
{
        int e = buf_append_str(dst, "minute_of_day");

        for (size_t u = 0; u < USE_MAX && e == 0; u++)
                e = buf_printf(dst, ",%s", plan_use_name((enum plan_use)u));
        if (e == 0)
                e = buf_append_str(dst, ",containers,most_at_once,launches\n");
        for (size_t m = 0; m < PLAN_DAY_MIN && e == 0; m++) {
                e = buf_printf(dst, "%zu", m);
                for (size_t u = 0; u < USE_MAX && e == 0; u++)
                        e = buf_printf(dst, ",%.3f", r->minutes[m].mean[u]);
                if (e == 0)
                        e = buf_printf(dst, ",%.3f,%.0f,%.3f\n", all_of(&r->minutes[m]),
                                       r->minutes[m].most, r->minutes[m].launches);
        }
        return e;
}

/* ---- SVG ---- */

static const struct {
        enum plan_use use;
        const char *color, *label;
} layers[] = {
        {USE_WORK, "#2b7a4b", "somebody works"}, {USE_AWAY, "#e0a030", "nobody there (idle limit)"},
        {USE_SAVING, "#8a6d3b", "saving"},       {USE_WARM, "#4a90d9", "warm, not claimed"},
        {USE_LAUNCHING, "#b0c4de", "launching"},
};

static int append_text(struct buf *dst, const char *text)
{
        int e = 0;

        for (; *text && e == 0; text++) {
                if (*text == '&')
                        e = buf_append_str(dst, "&amp;");
                else if (*text == '<')
                        e = buf_append_str(dst, "&lt;");
                else if (*text == '>')
                        e = buf_append_str(dst, "&gt;");
                else if ((unsigned char)*text >= ' ')
                        e = buf_append(dst, text, 1);
        }
        return e;
}

/* The area of a layer between what lies below it and its own top. */
static int svg_layer(const struct plan_result *r, size_t layer, double top, struct buf *dst)
{
        int e = buf_printf(dst, "<polygon fill=\"%s\" points=\"", layers[layer].color);

        for (size_t i = 0; i < 2 * (size_t)PLAN_DAY_MIN && e == 0; i++) {
                bool back = i >= PLAN_DAY_MIN;
                size_t m = back ? 2 * (size_t)PLAN_DAY_MIN - 1 - i : i;
                double n = 0;

                for (size_t k = 0; k < layer + !back; k++)
                        n += r->minutes[m].mean[layers[k].use];
                e = buf_printf(dst, "%.1f,%.1f ", SVG_LEFT + (double)m * SVG_WIDTH / PLAN_DAY_MIN,
                               SVG_TOP + SVG_HEIGHT * (1 - n / top));
        }
        return e == 0 ? buf_append_str(dst, "\"/>\n") : e;
}

static int svg_axes(double top, struct buf *dst)
{
        int e = 0;

        for (int i = 0; i <= 4 && e == 0; i++) {
                double y = SVG_TOP + SVG_HEIGHT * (1 - i / 4.0);

                e = buf_printf(
                        dst,
                        "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ccc\"/>"
                        "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                        SVG_LEFT, SVG_LEFT + SVG_WIDTH, y, y, SVG_LEFT - 6, y + 4, top * i / 4);
        }
        for (int h = 0; h <= 24 && e == 0; h += 3)
                e = buf_printf(
                        dst, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%02d:00</text>\n",
                        SVG_LEFT + SVG_WIDTH * h / 24, SVG_TOP + SVG_HEIGHT + 18, h);
        return e;
}

int chart_svg(const struct plan *p, const struct plan_result *r, struct buf *dst)
{
        double top = round_up(highest(r));
        int e = buf_append_str(dst, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"820\" "
                                    "height=\"420\" viewBox=\"0 0 820 420\" "
                                    "font-family=\"sans-serif\" font-size=\"12\">\n"
                                    "<rect width=\"820\" height=\"420\" fill=\"white\"/>\n"
                                    "<text x=\"60\" y=\"22\" font-size=\"14\">");

        if (e == 0)
                e = append_text(dst, p->title);
        if (e == 0)
                e = buf_append_str(dst, ": containers over the day</text>\n");
        if (e == 0)
                e = svg_axes(top, dst);
        for (size_t i = 0; i < ARRAY_LEN(layers) && e == 0; i++)
                e = svg_layer(r, i, top, dst);
        for (size_t i = 0; i < ARRAY_LEN(layers) && e == 0; i++)
                e = buf_printf(dst,
                               "<rect x=\"%.0f\" y=\"386\" width=\"10\" height=\"10\" fill=\"%s\"/>"
                               "<text x=\"%.0f\" y=\"395\">%s</text>\n",
                               60 + 152.0 * (double)i, layers[i].color, 74 + 152.0 * (double)i,
                               layers[i].label);
        return e == 0 ? buf_append_str(dst, "</svg>\n") : e;
}
