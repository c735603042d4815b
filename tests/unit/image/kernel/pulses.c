/* SPDX-License-Identifier: Apache-2.0 */
/* Drives the pulse outputs as the test's body says. */
#include "pwm-rp1.c"
static int updates;
static void written(void *place, u32 value)
{
	*(u32 *)place = place == registers ? value & ~SET_UPDATE : value;
	updates += place == registers && (value & SET_UPDATE);
}
static struct platform_device device;
static int set(int channel, u64 period, u64 duty, int inverted, int enabled)
{
	struct pwm_device pwm = { channel };
	struct pwm_state state = { period, duty, inverted, enabled };
	return the_chip.ops->apply(&the_chip, &pwm, &state);
}
static void tell(int channel)
{
	struct pwm_device pwm = { channel };
	struct pwm_state s;
	the_chip.ops->get_state(&the_chip, &pwm, &s);
	printf("%d: %llu/%llu %s %s\n", channel, (unsigned long long)s.duty_cycle, (unsigned long long)s.period,
	       s.polarity ? "inverted" : "normal", s.enabled ? "on" : "off");
}
static void dump(int channel)
{
	printf("global %x control %x range %u duty %u updates %d\n", registers[0], registers[(0x14 + 16 * channel) / 4],
	       registers[(0x18 + 16 * channel) / 4], registers[(0x20 + 16 * channel) / 4], updates);
}
int main(void)
{
	int error = driver->probe(&device);
	if (error) return printf("probe %d\n", error), 0;
#include "body.h"
	return 0;
}
