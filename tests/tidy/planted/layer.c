/* plant: controller/core/a.c  expect: layer */
#include "loop/loop.h"
