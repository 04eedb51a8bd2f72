/* The name under which programs written for libzmq look for the interface. */
#ifndef __ZMQ_H_INCLUDED__
#define __ZMQ_H_INCLUDED__

#include "monocoque.h"

#endif
