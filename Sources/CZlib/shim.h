// zlib, whose input is const: without the macro Swift would get it as mutable.
#pragma once

#define ZLIB_CONST
#include <zlib.h>
