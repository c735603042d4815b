/* SPDX-License-Identifier: Apache-2.0
 *
 * The peer of the scan and of the control loop: a loop in C on the same absolute schedule, with the same scheduling
 * class and locked memory.
 * Arguments: period in ns, number of wake-ups, SCHED_FIFO priority (0: none). Prints how late each wake-up was, in ns.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int main(int count, char **words)
{
    if (count != 4)
        return 2;
    int64_t period = atoll(words[1]);
    long rounds = atol(words[2]);
    int64_t *late = calloc((size_t)rounds, sizeof *late);
    if (late == NULL || period <= 0)
        return 2;
    mlockall(MCL_CURRENT | MCL_FUTURE);
    struct sched_param priority = {.sched_priority = atoi(words[3])};
    if (priority.sched_priority > 0)
        sched_setscheduler(0, SCHED_FIFO, &priority);
    int64_t slot = now() + period;
    for (long n = 0; n < rounds; n++) {
        struct timespec until = {.tv_sec = slot / 1000000000, .tv_nsec = slot % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        late[n] = now() - slot;
        do
            slot += period;
        while (slot <= now());
    }
    for (long n = 0; n < rounds; n++)
        printf("%lld\n", (long long)late[n]);
    return 0;
}
