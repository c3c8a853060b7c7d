#ifndef TSB_TERMINAL_H
#define TSB_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

/*
 * The caller's terminal (standard input of the supervisor) while the command has one of its own: raw, so that every key, also
 * Ctrl-C and Ctrl-Z, is a byte for the command's terminal, whose line discipline makes of it what it is.
 */
struct terminal {
  int master; /* of the command's terminal; -1: it has none */
  int changes; /* signalfd for SIGWINCH and SIGCONT */
  bool is_raw;
  struct termios saved;
};

/* Sets the caller's terminal to raw and starts to follow its size. */
void terminal_begin(struct terminal *terminal, int master);

/* Handles what `changes` has to tell: another size, or raw mode again after the caller was stopped. */
void terminal_changed(struct terminal *terminal);

/* Gives the caller's terminal back as it was. May be called more than once. */
void terminal_restore(struct terminal *terminal);

#endif
