# ws_embed(OUTPUT file.c PREFIX name_ FILES a.html b.js): a C file with each file's bytes as
# `const unsigned char name_a_html[]` and `const size_t name_a_html_len`, made at build time.
# Run as a script (cmake -P) this file is the generator itself.
if(CMAKE_SCRIPT_MODE_FILE)
        string(REPLACE "|" ";" files "${EMBED_FILES}")
        set(text "#include <stddef.h>\n")
        foreach(path IN LISTS files)
                get_filename_component(name ${path} NAME)
                string(MAKE_C_IDENTIFIER "${EMBED_PREFIX}${name}" id)
                file(READ ${path} hex HEX)
                string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
                string(REGEX REPLACE "(................................................................................)"
                        "\\1\n" bytes "${bytes}")
                string(APPEND text "extern const unsigned char ${id}[];\nextern const size_t ${id}_len;\n")
                string(APPEND text "const unsigned char ${id}[] = {\n${bytes}};\n")
                string(APPEND text "const size_t ${id}_len = sizeof(${id});\n")
        endforeach()
        file(WRITE ${EMBED_OUTPUT} "${text}")
        return()
endif()

set(WS_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE} CACHE INTERNAL "")

function(ws_embed)
        cmake_parse_arguments(E "" "OUTPUT;PREFIX" "FILES" ${ARGN})
        string(REPLACE ";" "|" files "${E_FILES}")
        add_custom_command(OUTPUT ${E_OUTPUT}
                COMMAND ${CMAKE_COMMAND} -DEMBED_OUTPUT=${E_OUTPUT} -DEMBED_PREFIX=${E_PREFIX}
                        -DEMBED_FILES=${files} -P ${WS_EMBED_SCRIPT}
                DEPENDS ${E_FILES} ${WS_EMBED_SCRIPT} VERBATIM)
endfunction()
