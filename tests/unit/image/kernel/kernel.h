/* SPDX-License-Identifier: Apache-2.0 */
/* As much of the kernel as our modules use, as an ordinary program has it: registers are memory, the firmware a struct. */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint32_t u32;
typedef uint64_t u64;
#define U32_MAX UINT32_MAX
#define NSEC_PER_SEC 1000000000L
#define EPROBE_DEFER 517
#define __init
#define __exit
#define __iomem
#define KBUILD_MODNAME "module"
#define BIT(n) (1u << (n))
#define GENMASK(high, low) ((~0u >> (31 - (high))) & (~0u << (low)))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define MODULE_DESCRIPTION(text)
#define MODULE_AUTHOR(text)
#define MODULE_LICENSE(text)
#define MODULE_DEVICE_TABLE(kind, table)
#define module_init(function) int (*start)(void) = function
#define module_exit(function) void (*end)(void) = function
#define pr_info(format, ...) printf("info: " pr_fmt(format), ##__VA_ARGS__)
#define pr_err(format, ...) printf("error: " pr_fmt(format), ##__VA_ARGS__)

static inline u64 mul_u64_u64_div_u64(u64 a, u64 b, u64 c) { return (unsigned __int128)a * b / c; }
#define DIV_ROUND_UP_ULL(a, b) (((u64)(a) + (b) - 1) / (b))

/* Errors in pointers. */
#define IS_ERR(pointer) ((uintptr_t)(pointer) > (uintptr_t)-4096)
#define PTR_ERR(pointer) ((int)(intptr_t)(pointer))

/* Registers. */
static inline u32 readl(const void *place) { return *(const u32 *)place; }
static void written(void *place, u32 value);
#define writel(value, place) written(place, value)

/* Devices. */
struct device { int unused; };
struct of_device_id { const char *compatible; };
struct platform_device { struct device dev; void *data; };
struct platform_driver {
	struct { const char *name; const struct of_device_id *of_match_table; } driver;
	int (*probe)(struct platform_device *);
	void (*shutdown)(struct platform_device *);
};
#define module_platform_driver(which) static struct platform_driver *const driver = &which
#define platform_set_drvdata(device, value) ((device)->data = (value))
#define platform_get_drvdata(device) ((device)->data)
#define dev_err_probe(device, error, ...) (printf("error: " __VA_ARGS__), (error))
static u32 registers[0x80];
static inline void *devm_platform_ioremap_resource(struct platform_device *d, int n) { (void)d; (void)n; return registers; }

/* Clocks. */
struct clk { unsigned long rate; };
static struct clk the_clock = { RATE };
static inline struct clk *devm_clk_get_enabled(struct device *d, const char *n) { (void)d; (void)n; return &the_clock; }
static inline int devm_clk_rate_exclusive_get(struct device *d, struct clk *c) { (void)d; (void)c; return 0; }
static inline unsigned long clk_get_rate(struct clk *c) { return c->rate; }

/* Pulse outputs. */
enum pwm_polarity { PWM_POLARITY_NORMAL, PWM_POLARITY_INVERSED };
struct pwm_state { u64 period, duty_cycle; enum pwm_polarity polarity; bool enabled; };
struct pwm_device { unsigned int hwpwm; };
struct pwm_chip;
struct pwm_ops {
	int (*apply)(struct pwm_chip *, struct pwm_device *, const struct pwm_state *);
	int (*get_state)(struct pwm_chip *, struct pwm_device *, struct pwm_state *);
};
struct pwm_chip { const struct pwm_ops *ops; unsigned int npwm; char data[64]; };
static struct pwm_chip the_chip;
static inline struct pwm_chip *devm_pwmchip_alloc(struct device *d, unsigned int n, size_t s) { (void)d; (void)s; the_chip.npwm = n; return &the_chip; }
static inline int devm_pwmchip_add(struct device *d, struct pwm_chip *c) { (void)d; (void)c; return 0; }
static inline void *pwmchip_get_drvdata(struct pwm_chip *chip) { return chip->data; }

/* Restarts, and the firmware that is told of them. */
#define SYS_RESTART 1
#define SYS_HALT 2
#define NOTIFY_DONE 0
struct notifier_block { int (*notifier_call)(struct notifier_block *, unsigned long, void *); };
static struct notifier_block *listening;
static inline int register_reboot_notifier(struct notifier_block *block) { listening = block; return 0; }
static inline int unregister_reboot_notifier(struct notifier_block *block) { (void)block; listening = NULL; return 0; }

struct device_node { int unused; };
struct rpi_firmware { u32 flags; int error; bool deaf; int users; };
enum rpi_firmware_property_tag { RPI_FIRMWARE_ANY };
static struct rpi_firmware the_firmware;
static struct device_node the_node;
static bool has_firmware = true, ready = true;
static inline struct device_node *rpi_firmware_find_node(void) { return has_firmware ? &the_node : NULL; }
static inline void of_node_put(struct device_node *node) { (void)node; }
static inline struct rpi_firmware *rpi_firmware_get(struct device_node *node) { (void)node; if (!ready) return NULL; the_firmware.users++; return &the_firmware; }
static inline void rpi_firmware_put(struct rpi_firmware *which) { which->users--; }
static inline int rpi_firmware_property(struct rpi_firmware *which, u32 tag, void *data, size_t size)
{
	if (size != sizeof(u32) || which->error)
		return which->error ? which->error : -EINVAL;
	if (tag == 0x00038064 && !which->deaf)
		memcpy(&which->flags, data, size);
	else if (tag == 0x00030064)
		memcpy(data, &which->flags, size);
	return 0;
}
