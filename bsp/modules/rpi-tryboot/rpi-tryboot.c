// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Tells the Raspberry Pi's firmware to try the other boot partition at the next start, once.
 *
 * User space asks for it with the restart's argument: "0 tryboot" (systemd takes it from /run/systemd/reboot-param).
 * The firmware clears the flag before it starts anything, so whatever resets the trial leads back to the committed
 * partition. On a machine without this firmware the module does nothing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/of.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

/* Tags of the firmware's mailbox that the kernel's header does not name. */
#define GET_REBOOT_FLAGS ((enum rpi_firmware_property_tag)0x00030064)
#define SET_REBOOT_FLAGS ((enum rpi_firmware_property_tag)0x00038064)
#define TRYBOOT 1

#define WORD "tryboot"

static struct rpi_firmware *firmware;

/* Whether the last word of a restart's argument asks for a trial. */
static bool wants_trial(const char *argument)
{
	size_t length = strlen(argument), word = strlen(WORD);

	if (length < word || strcmp(argument + length - word, WORD))
		return false;
	return length == word || argument[length - word - 1] == ' ';
}

static int on_restart(struct notifier_block *block, unsigned long action, void *argument)
{
	u32 flags = TRYBOOT;
	int error;

	if (action != SYS_RESTART || !argument || !wants_trial(argument))
		return NOTIFY_DONE;
	error = rpi_firmware_property(firmware, SET_REBOOT_FLAGS, &flags, sizeof(flags));
	if (!error) {
		flags = 0;
		error = rpi_firmware_property(firmware, GET_REBOOT_FLAGS, &flags, sizeof(flags));
	}
	if (error)
		pr_err("the firmware does not take the request (%d): the committed partition starts\n", error);
	else if (!(flags & TRYBOOT))
		pr_err("the firmware forgot the request: the committed partition starts\n");
	else
		pr_info("the next start tries the other partition\n");
	return NOTIFY_DONE;
}

static struct notifier_block restart = { .notifier_call = on_restart };

static int __init rpi_tryboot_init(void)
{
	struct device_node *node = rpi_firmware_find_node();
	int error;

	if (!node) {
		pr_info("no Raspberry Pi firmware here, nothing to do\n");
		return 0;
	}
	firmware = rpi_firmware_get(node);
	of_node_put(node);
	if (!firmware)
		return -EPROBE_DEFER;
	error = register_reboot_notifier(&restart);
	if (error)
		rpi_firmware_put(firmware);
	return error;
}

static void __exit rpi_tryboot_exit(void)
{
	if (!firmware)
		return;
	unregister_reboot_notifier(&restart);
	rpi_firmware_put(firmware);
}

module_init(rpi_tryboot_init);
module_exit(rpi_tryboot_exit);

MODULE_DESCRIPTION("Trial boot of the other partition on Raspberry Pi");
MODULE_AUTHOR("The Pilotlight project");
MODULE_LICENSE("GPL");
