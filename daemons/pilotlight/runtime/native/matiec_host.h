/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that a generated program expects of its host, included before its own sources. This host has no network
 * and starts no process inside a scan, so each of them reports failure (matiec_shim.c).
 */
#ifndef PILOTLIGHT_MATIEC_HOST_H
#define PILOTLIGHT_MATIEC_HOST_H

#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

int create_shm_name(char *name, size_t size);
int python_block_loader(const char *script_name, const char *script, char *shm_name, size_t input_size,
                        size_t output_size, void **input, void **output, pid_t pid);

#endif
