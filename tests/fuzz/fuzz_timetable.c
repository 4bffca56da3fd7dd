/* A timetable's text, JSON or calendar, as bytes: what is taken is classes that the core takes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "timetable/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct core_config config = {
                .n_types = 1, .types = {{.name = "vscode", .sizing = {.forecast = true}}}};
        char error[TIMETABLE_ERROR_SIZE] = "";
        struct timetable_text t;

        if (timetable_parse((const char *)data, size, &config,
                            (utc_t){INT64_C(1788220800) * US_PER_S}, error, &t) < 0) {
                assert(error[0]);
                return 0;
        }
        assert(t.n <= TIMETABLE_CLASSES_MAX);
        for (size_t i = 0; i < t.n; i++) {
                const struct timetable_class *k = &t.classes[i];

                assert(name_valid(k->id, CORE_NAME_SIZE - 1));
                assert(name_valid(k->course, CORE_NAME_SIZE - 1));
                assert(strcmp(k->type, "vscode") == 0 && k->students >= 1);
                assert(i == 0 || strcmp(t.classes[i - 1].id, k->id) < 0);
        }
        free(t.classes);
        return 0;
}
