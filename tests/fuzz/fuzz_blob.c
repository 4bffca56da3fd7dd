/*
 * Whatever a decoder takes, its encoder can write, and it comes back the same. All decoders get all
 * inputs; as text, the input is tried as an object name too.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "wire/blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Structs come from zeroed ones, so equal documents are equal bytes. */
#define THERE_AND_BACK(type)                                                                       \
        static void there_and_back_##type(const uint8_t *data, size_t size)                        \
        {                                                                                          \
                static struct blob_##type one, two;                                                \
                AUTO_BUF b = BUF_INIT(BLOB_REQUEST_MAX);                                           \
                                                                                                   \
                if (blob_##type##_decode(data, size, &one) < 0)                                    \
                        return;                                                                    \
                assert(blob_##type##_encode(&one, &b) == 0);                                       \
                assert(blob_##type##_decode(b.data, b.len, &two) == 0);                            \
                assert(memcmp(&one, &two, sizeof(one)) == 0);                                      \
        }

THERE_AND_BACK(restore_request)
THERE_AND_BACK(save_request)
THERE_AND_BACK(save_result)
THERE_AND_BACK(restore_result)

static void grant_request(const uint8_t *data, size_t size, enum blob_op op)
{
        static struct blob_grant_request one, two;
        AUTO_BUF b = BUF_INIT(BLOB_GRANT_REQUEST_MAX);

        if (blob_grant_request_decode(data, size, op, &one) < 0)
                return;
        assert(blob_grant_request_encode(&one, op, &b) == 0);
        assert(blob_grant_request_decode(b.data, b.len, op, &two) == 0);
        assert(memcmp(&one, &two, sizeof(one)) == 0);
}

static void grant_answer(const uint8_t *data, size_t size)
{
        AUTO_BUF b = BUF_INIT(BLOB_GRANT_ANSWER_MAX);
        AUTO_BUF again = BUF_INIT(BLOB_GRANT_ANSWER_MAX);
        struct blob_grant_answer one, two;

        if (blob_grant_answer_decode(data, size, &one) < 0)
                return;
        assert(blob_grant_answer_encode(&one, &b) == 0);
        assert(blob_grant_answer_decode(b.data, b.len, &two) == 0);
        assert(blob_grant_answer_encode(&two, &again) == 0);
        assert(b.len == again.len && memcmp(b.data, again.data, b.len) == 0);
        blob_grant_answer_deinit(&one);
        blob_grant_answer_deinit(&two);
}

static void object_name(const uint8_t *data, size_t size)
{
        char text[256], again[BLOB_OBJECT_SIZE];
        struct blob_object_ref ref;

        if (size >= sizeof(text))
                return;
        if (size)
                memcpy(text, data, size);
        text[size] = 0;
        if (blob_object_parse(text, &ref) < 0)
                return;
        assert(blob_object_name(&ref, again) == 0);
        assert(strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        there_and_back_restore_request(data, size);
        there_and_back_save_request(data, size);
        there_and_back_save_result(data, size);
        there_and_back_restore_result(data, size);
        grant_request(data, size, BLOB_OP_PUT);
        grant_request(data, size, BLOB_OP_GET);
        grant_answer(data, size);
        object_name(data, size);
        return 0;
}
