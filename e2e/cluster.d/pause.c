// The first process of every pod under test: holds the pod's namespaces, reaps what is orphaned in it, ends when asked.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void reap(int signal) {
  (void)signal;
  while (waitpid(-1, 0, WNOHANG) > 0) {
  }
}

static void end(int signal) {
  (void)signal;
  _exit(0);
}

int main(void) {
  struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
  sigaction(SIGCHLD, &reaping, 0);
  signal(SIGINT, end);
  signal(SIGTERM, end);
  for (;;) pause();
}
