#pragma once

/* Takes from this process everything that the relay doesn't need: capabilities, new privileges, system calls. */
int relay_confine(void);
