/* plant: controller/core/b.c  expect: foreign */
#include <nng/nng.h>
