/* Answers of a storage: fields stay inside the document and inside their arrays. */
#include <assert.h>
#include <string.h>

#include "out/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct s3_xml doc = {(const char *)data, size}, one;
        char text[16];
        uint64_t n;
        utc_t at;

        while (s3_xml_next(&doc, "Contents", &one)) {
                assert(one.at >= (const char *)data && one.at + one.len <= doc.at);
                assert(doc.at + doc.len == (const char *)data + size);
                if (s3_xml_text(one, "Key", text, sizeof(text)) == 0)
                        assert(strlen(text) < sizeof(text));
                if (s3_xml_u64(one, "Size", &n) == 0)
                        assert(n <= INT64_MAX);
                (void)!s3_xml_time(one, "LastModified", &at);
        }
        return 0;
}
