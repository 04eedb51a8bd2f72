/* An ipc endpoint on a file system that is full: zmq_bind answers ENOSPC, leaves nothing behind, and works once there is room.
 *
 *   full_disk
 *
 * The file system is a tmpfs of few files in a mount namespace of the program's own; where that is not permitted nothing is done, which
 * is said. */
#include "stress.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FILES_MAX 16

static int mount_small (const char *folder)
{
    return unshare (CLONE_NEWNS) == 0 && mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
           && mount ("none", folder, "tmpfs", 0, "nr_inodes=8,size=64k") == 0;
}

static void check_refused (void *socket, const char *endpoint)
{
    int descriptors_before = descriptors ();
    CHECK (zmq_bind (socket, endpoint) == -1);
    int error = zmq_errno ();
    printf ("%s on a full file system: %s\n", endpoint, error_name (error));
    fflush (stdout);
    CHECK (error == ENOSPC);
    CHECK (descriptors () == descriptors_before);
}

int main (void)
{
    CHECK (mkdir ("small", 0700) == 0);
    if (!mount_small ("small")) {
        printf ("no file system could be mounted\n");
        return rmdir ("small");
    }
    char name[64];
    int files = 0, descriptor;
    do {
        snprintf (name, sizeof name, "small/%d", files++);
        descriptor = open (name, O_CREAT | O_WRONLY, 0600);
    } while (descriptor >= 0 && close (descriptor) == 0 && files < FILES_MAX);
    CHECK (errno == ENOSPC);
    CHECK (setenv ("TMPDIR", "small", 1) == 0);
    void *context = new_context (), *server = new_socket (context, ZMQ_PULL), *client = new_socket (context, ZMQ_PUSH);
    check_refused (server, "ipc://small/s.sock");
    check_refused (server, "ipc://*");
    endpoint_t endpoint;
    bind_fresh (server, "tcp", endpoint);
    connect_to (client, endpoint);
    put (client, "meanwhile");
    CHECK (show_message ("received", server, 0) == 1);
    CHECK (unlink ("small/0") == 0 && unlink ("small/1") == 0 && unlink ("small/2") == 0);
    const char *endpoints[] = {"ipc://small/s.sock", "ipc://*"};
    for (int i = 0; i < COUNT (endpoints); i++) {
        CHECK (zmq_bind (server, endpoints[i]) == 0);
        last_endpoint (server, endpoint);
        connect_to (client, endpoint);
        CHECK (zmq_unbind (server, endpoint) == 0);
    }
    close_socket (client);
    close_socket (server);
    end_context (context);
    CHECK (umount ("small") == 0 && rmdir ("small") == 0);
    return 0;
}
