/* SPDX-License-Identifier: Apache-2.0 */
/* Restarts as the test's body says, and tells what the firmware was told. */
#include "rpi-tryboot.c"
static void written(void *place, u32 value) { (void)place; (void)value; }
static void reboot(unsigned long action, char *argument)
{
	the_firmware.flags = 0;
	if (listening) listening->notifier_call(listening, action, argument);
	printf("%s: %u\n", argument ? argument : "-", the_firmware.flags);
}
int main(void)
{
#include "body.h"
	return 0;
}
