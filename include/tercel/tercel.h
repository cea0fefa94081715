// Everything at once.
#pragma once

#include "tercel/array.h"
#include "tercel/compress.h"
#include "tercel/data.h"
#include "tercel/error.h"
#include "tercel/fpga.h"
#include "tercel/hopfield.h"
#include "tercel/image.h"
#include "tercel/model.h"
#include "tercel/progress.h"
#include "tercel/quantize.h"
#include "tercel/session.h"
#include "tercel/static_norm.h"
#include "tercel/version.h"
