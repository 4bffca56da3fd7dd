/* plant: agent/gate/c.c  expect: comment */
int x; // no
