/* plant: agent/gate/f.c  expect: leftover */
/* FIXME: later */
int x;
