// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The two pulse generators of the RP1: four channels each, counted by one clock.
 *
 * A channel counts RANGE ticks in a period and holds its output active for the first DUTY of them. New values wait
 * until SET_UPDATE is written; the hardware takes them over at the end of a period, so no pulse is cut.
 * A channel that is off drives its idle level. When the machine restarts all channels are switched off.
 */
#include <linux/bits.h>
#include <linux/clk.h>
#include <linux/io.h>
#include <linux/math64.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pwm.h>
#include <linux/time64.h>

#define CHANNELS 4

#define GLOBAL_CTRL 0x00
#define SET_UPDATE BIT(31)
#define ENABLE(channel) BIT(channel)

#define CTRL(channel) (0x14 + 16 * (channel))
#define TRAILING_EDGE 1 /* mode: active first, then idle */
#define INVERT BIT(3)
#define FIFO_POP_MASK BIT(8) /* values come from DUTY, not from the queue */
#define RANGE(channel) (0x18 + 16 * (channel))
#define DUTY(channel) (0x20 + 16 * (channel))

struct rp1_pwm {
	void __iomem *registers;
	unsigned long rate; /* ticks a second; does not change while we hold it */
};

static void update(struct rp1_pwm *own, u32 clear, u32 set)
{
	u32 control = readl(own->registers + GLOBAL_CTRL);

	writel((control & ~clear) | set | SET_UPDATE, own->registers + GLOBAL_CTRL);
}

static u64 ticks(struct rp1_pwm *own, u64 nanoseconds)
{
	return mul_u64_u64_div_u64(nanoseconds, own->rate, NSEC_PER_SEC);
}

static u64 nanoseconds(struct rp1_pwm *own, u32 ticks)
{
	return DIV_ROUND_UP_ULL((u64)ticks * NSEC_PER_SEC, own->rate);
}

static int rp1_pwm_apply(struct pwm_chip *chip, struct pwm_device *pwm, const struct pwm_state *state)
{
	struct rp1_pwm *own = pwmchip_get_drvdata(chip);
	unsigned int channel = pwm->hwpwm;
	u32 control = TRAILING_EDGE | FIFO_POP_MASK;
	u64 range, duty;

	if (!state->enabled) {
		update(own, ENABLE(channel), 0);
		return 0;
	}
	range = min_t(u64, ticks(own, state->period), U32_MAX);
	if (!range)
		return -EINVAL;
	duty = min(ticks(own, state->duty_cycle), range);
	if (state->polarity == PWM_POLARITY_INVERSED)
		control |= INVERT;
	writel(control, own->registers + CTRL(channel));
	writel(range, own->registers + RANGE(channel));
	writel(duty, own->registers + DUTY(channel));
	update(own, 0, ENABLE(channel));
	return 0;
}

static int rp1_pwm_get_state(struct pwm_chip *chip, struct pwm_device *pwm, struct pwm_state *state)
{
	struct rp1_pwm *own = pwmchip_get_drvdata(chip);
	unsigned int channel = pwm->hwpwm;

	state->enabled = readl(own->registers + GLOBAL_CTRL) & ENABLE(channel);
	state->period = nanoseconds(own, readl(own->registers + RANGE(channel)));
	state->duty_cycle = nanoseconds(own, readl(own->registers + DUTY(channel)));
	state->polarity = readl(own->registers + CTRL(channel)) & INVERT ? PWM_POLARITY_INVERSED : PWM_POLARITY_NORMAL;
	return 0;
}

static const struct pwm_ops rp1_pwm_ops = {
	.apply = rp1_pwm_apply,
	.get_state = rp1_pwm_get_state,
};

static int rp1_pwm_probe(struct platform_device *device)
{
	struct pwm_chip *chip;
	struct rp1_pwm *own;
	struct clk *clock;
	int error;

	chip = devm_pwmchip_alloc(&device->dev, CHANNELS, sizeof(*own));
	if (IS_ERR(chip))
		return PTR_ERR(chip);
	own = pwmchip_get_drvdata(chip);
	own->registers = devm_platform_ioremap_resource(device, 0);
	if (IS_ERR(own->registers))
		return PTR_ERR(own->registers);
	clock = devm_clk_get_enabled(&device->dev, NULL);
	if (IS_ERR(clock))
		return dev_err_probe(&device->dev, PTR_ERR(clock), "no clock\n");
	error = devm_clk_rate_exclusive_get(&device->dev, clock);
	if (error)
		return dev_err_probe(&device->dev, error, "the clock cannot be held at its rate\n");
	own->rate = clk_get_rate(clock);
	/* Up to this rate neither conversion overflows. */
	if (!own->rate || own->rate > NSEC_PER_SEC)
		return dev_err_probe(&device->dev, -EINVAL, "a clock of %lu Hz is of no use\n", own->rate);
	chip->ops = &rp1_pwm_ops;
	platform_set_drvdata(device, own);
	error = devm_pwmchip_add(&device->dev, chip);
	return error ? dev_err_probe(&device->dev, error, "the channels cannot be offered\n") : 0;
}

static void rp1_pwm_shutdown(struct platform_device *device)
{
	update(platform_get_drvdata(device), GENMASK(CHANNELS - 1, 0), 0);
}

static const struct of_device_id rp1_pwm_devices[] = {
	{ .compatible = "raspberrypi,rp1-pwm" },
	{}
};
MODULE_DEVICE_TABLE(of, rp1_pwm_devices);

static struct platform_driver rp1_pwm_driver = {
	.driver = {
		.name = "rp1-pwm",
		.of_match_table = rp1_pwm_devices,
	},
	.probe = rp1_pwm_probe,
	.shutdown = rp1_pwm_shutdown,
};
module_platform_driver(rp1_pwm_driver);

MODULE_DESCRIPTION("Pulse width modulation of the RP1");
MODULE_AUTHOR("The Pilotlight project");
MODULE_LICENSE("GPL");
