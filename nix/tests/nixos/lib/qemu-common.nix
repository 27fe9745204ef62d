# A file that is imported beside the image's.
"qemu-common"
