#include <stdio.h>

#include "slipway/base.h"

int main(void)
{
    printf("slipway %s\n", sw_version());
    return 0;
}
