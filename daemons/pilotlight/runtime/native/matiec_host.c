/* SPDX-License-Identifier: Apache-2.0
 *
 * What a generated program may ask of its host, answered with failure: a scan has no network and starts no process.
 * Weak, so that a program that brings its own is linked with that.
 */
#include "matiec_host.h"

#include <stdint.h>

#define HOST __attribute__((weak))

HOST int connect_to_tcp_server(uint8_t *address, uint16_t port, int method) {
    (void)address, (void)port, (void)method;
    return -1;
}

HOST int send_tcp_message(uint8_t *message, size_t size, int socket) {
    (void)message, (void)size, (void)socket;
    return -1;
}

HOST int receive_tcp_message(uint8_t *buffer, size_t size, int socket) {
    (void)buffer, (void)size, (void)socket;
    return -1;
}

HOST int close_tcp_connection(int socket) {
    (void)socket;
    return -1;
}

HOST int create_shm_name(char *name, size_t size) {
    if (size > 0)
        name[0] = '\0';
    return -1;
}

HOST int python_block_loader(const char *script_name, const char *script, char *shm_name, size_t input_size,
                             size_t output_size, void **input, void **output, pid_t pid) {
    (void)script_name, (void)script, (void)shm_name, (void)input_size, (void)output_size, (void)pid;
    *input = NULL;
    *output = NULL;
    return -1;
}
