/* plant: agent/gate/utils.c  expect: name */
int x;
