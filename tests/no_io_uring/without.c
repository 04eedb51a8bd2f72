/* Runs a program where io_uring is refused.
 *
 *   without CONDITION PROGRAM [ARGUMENT...]
 *
 * CONDITION is a name in refusal.h. The program and all that it starts have the condition from their first instruction on. */
#include "refusal.h"

int main (int count, char **values)
{
    if (count < 3) {
        fprintf (stderr, "usage: without CONDITION PROGRAM [ARGUMENT...]\n");
        return 5;
    }
    impose (values[1]);
    execv (values[2], values + 2);
    refusal_failed (values[2]);
}
