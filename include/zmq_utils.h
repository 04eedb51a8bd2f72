/* The stopwatch and thread functions were once declared here; they are in zmq.h now. */
#include "zmq.h"
