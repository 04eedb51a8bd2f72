/* Z85: zmq_z85_encode(3), zmq_z85_decode(3), RFC 32. */
#include "common.h"

static void encode (const uint8_t *data, size_t size)
{
    char text[256];
    memset (text, '~', sizeof text);
    errno = 0;
    char *result = zmq_z85_encode (text, data, size);
    const char *answer = result == text ? "dest" : result ? "?" : "NULL";
    printf ("  encode %zu bytes -> %s %s ", size, answer, error_name (zmq_errno ()));
    if (result)
        printf ("\"%s\" of %zu", text, strlen (text));
    printf ("%s\n", text[size / 4 * 5 + (result ? 1 : 0)] == '~' ? "" : ", written beyond the end");
}

static void decode (const char *text)
{
    uint8_t data[256];
    memset (data, 0xEE, sizeof data);
    errno = 0;
    uint8_t *result = zmq_z85_decode (data, text);
    printf ("  decode \"");
    print_bytes ((const unsigned char *) text, strlen (text));
    printf ("\" -> %s %s ", result == data ? "dest" : result ? "?" : "NULL", error_name (zmq_errno ()));
    if (result)
        print_bytes (data, strlen (text) / 5 * 4);
    printf ("%s\n", data[strlen (text) / 5 * 4] == 0xEE ? "" : ", written beyond the end");
}

static void examples (void)
{
    part ("examples");
    const uint8_t hello[] = {0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B};
    encode (hello, sizeof hello);
    decode ("HelloWorld");
    decode ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
}

static void sizes (void)
{
    part ("sizes");
    uint8_t data[64];
    memset (data, 0xFF, sizeof data);
    for (size_t size = 0; size <= 16; size++)
        encode (data, size);
    memset (data, 0, sizeof data);
    encode (data, sizeof data);
    const char *texts[] = {"", "0", "00", "000", "0000", "00000", "000000", "000000000", "0000000000", "    ", "~"};
    for (int i = 0; i < COUNT (texts); i++)
        decode (texts[i]);
}

static void characters (void)
{
    part ("every character, at every place of a group");
    for (int place = 0; place < 5; place++) {
        printf ("  place %d:", place);
        for (int byte = 1; byte < 256; byte++) {
            uint8_t data[8];
            char text[] = "00000";
            text[place] = (char) byte;
            if (zmq_z85_decode (data, text))
                printf (" %02x=%02x%02x%02x%02x", byte, data[0], data[1], data[2], data[3]);
        }
        printf ("\n");
    }
}

static void limits (void)
{
    part ("groups beyond 32 bits");
    const char *texts[] = {"%nSc0", "%nSc1",      "%nSc/",      "%nSd0",      "%nT00",      "%o000",     "$0000",
                           "#####", "%nSc0%nSc0", "%nSc0%nSc1", "%nSc1%nSc0", "HelloHell~", "Hello     "};
    for (int i = 0; i < COUNT (texts); i++)
        decode (texts[i]);
}

static void round_trips (void)
{
    part ("round trips");
    uint32_t state = 12345;
    for (int turn = 0; turn < 10000; turn++) {
        uint8_t data[64], back[64];
        char text[81];
        size_t size = (size_t) turn % 17 * 4;
        for (size_t i = 0; i < size; i++) {
            state = state * 1664525 + 1013904223;
            data[i] = (uint8_t) (state >> 24);
        }
        CHECK (zmq_z85_encode (text, data, size) == text && strlen (text) == size / 4 * 5);
        if (size > 0)
            CHECK (zmq_z85_decode (back, text) == back && memcmp (back, data, size) == 0);
        if (turn % 1000 == 16)
            encode (data, size);
    }
}

int main (void)
{
    examples ();
    sizes ();
    characters ();
    limits ();
    round_trips ();
    return 0;
}
