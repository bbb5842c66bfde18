/* A program of somebody who has only the installed library: compiled through its pkg-config file. */
#include <slipway/slipway.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    sw_context *ctx = sw_context_new(NULL);
    if (ctx == NULL) {
        fprintf(stderr, "%s\n", sw_error_text());
        return 1;
    }
    printf("%s\n", sw_version());
    int wrong = strcmp(sw_status_name(SW_OK), "ok") != 0;
    sw_context_free(ctx);
    return wrong;
}
