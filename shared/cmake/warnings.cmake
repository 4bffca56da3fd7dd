# Every target of ours links ws_warnings.
include(CheckCCompilerFlag)
add_library(ws_warnings INTERFACE)
set(ws_flags -Wall -Wextra -Wswitch-enum -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes
        -Wformat=2 -Wundef -Wcast-qual -Wimplicit-fallthrough -Wpointer-arith -Wwrite-strings
        -Wduplicated-cond -Wlogical-op -Wno-missing-field-initializers -Wconversion
        -Wno-sign-conversion)
foreach(flag IN LISTS ws_flags)
        string(MAKE_C_IDENTIFIER "HAVE${flag}" var)
        check_c_compiler_flag(${flag} ${var})
        if(${var})
                target_compile_options(ws_warnings INTERFACE ${flag})
        endif()
endforeach()
if(WS_WERROR)
        target_compile_options(ws_warnings INTERFACE -Werror)
endif()
if(WS_ANALYZE)
        target_compile_options(ws_warnings INTERFACE -fanalyzer)
endif()
