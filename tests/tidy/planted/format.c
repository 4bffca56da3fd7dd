/* plant: agent/gate/d.c  expect: format */
int   x;
