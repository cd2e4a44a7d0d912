/* The least that a program can do to get a token from an agent: connect to a Unix socket, send one request, and
 * print what comes back. `floor serve PATH` answers, `floor ask PATH` asks, and `floor ping PATH COUNT` asks many
 * times over one connection and prints how many nanoseconds each took. Static, without a library, so that the
 * difference to `seqera token` is what the product does beyond that. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* About as long as an access token of the Platform. */
static char token[900];

static struct sockaddr_un at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

static int serve(const char *path) {
  struct sockaddr_un address = at(path);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  memset(token, 't', sizeof token);
  token[sizeof token - 1] = '\n';
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return 1;
  if (write(1, "ready\n", 6) != 6) return 1;
  for (;;) {
    char request[64];
    int caller = accept(listener, NULL, NULL);
    if (caller < 0) return 1;
    while (read(caller, request, sizeof request) > 0) {
      if (send(caller, token, sizeof token, MSG_NOSIGNAL) < 0) break;
    }
    close(caller);
  }
}

static int reach(const char *path) {
  struct sockaddr_un address = at(path);
  int agent = socket(AF_UNIX, SOCK_STREAM, 0);
  return connect(agent, (struct sockaddr *)&address, sizeof address) ? -1 : agent;
}

static ssize_t call(int agent) {
  return write(agent, "token\n", 6) == 6 ? read(agent, token, sizeof token) : -1;
}

static int ask(const char *path) {
  ssize_t length = call(reach(path));
  return length > 0 && write(1, token, length) == length ? 0 : 1;
}

static long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int ping(const char *path, int count) {
  int agent = reach(path);
  while (count-- > 0) {
    long start = now();
    if (call(agent) <= 0) return 1;
    printf("%ld\n", now() - start);
  }
  return 0;
}

int main(int count, char **words) {
  if (count == 4 && !strcmp(words[1], "ping")) return ping(words[2], atoi(words[3]));
  if (count != 3) return 2;
  return strcmp(words[1], "serve") ? ask(words[2]) : serve(words[2]);
}
