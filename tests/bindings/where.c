// Linked into the programs of this folder: before main it writes down which library their zmq functions come from, what that one
// says of itself, and whether the process has it mapped, to the file named by BINDINGS_WHERE.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static int is_mapped(const char *file) {
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        line[strcspn(line, "\n")] = 0;
        const char *path = strchr(line, '/');
        found |= path && !strcmp(path, file);
    }
    if (maps) fclose(maps);
    return found;
}

__attribute__((constructor)) static void write_down(void) {
    const char *name = getenv("BINDINGS_WHERE");
    FILE *out = name ? fopen(name, "w") : NULL;
    Dl_info info;
    if (!out) return;
    // The symbol as every later reference of the process finds it, the bindings' own included.
    if (dladdr(dlsym(RTLD_DEFAULT, "zmq_ctx_new"), &info)) {
        char *file = realpath(info.dli_fname, NULL);
        fprintf(out, "%s, io_uring %d, monocoque_counter %d, mapped %d\n", file, zmq_has("io_uring"),
                dlsym(RTLD_DEFAULT, "monocoque_counter") != NULL, file && is_mapped(file));
        free(file);
    }
    fclose(out);
}
