/* plant: agent/gate/e.h  expect: header */
#pragma once
struct wrong f(undeclared_t x);
